from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.importing.verl import split_uid
from importing_case import Bring


def _row(prompt: str, output: str, score: float = 0.0, step: int = 1, **extras: Any) -> dict[str, Any]:
    return {"input": prompt, "output": output, "gts": "4", "score": score, "step": step, **extras}


def test_groups_are_inferred_from_step_and_prompt_across_a_folder(bring: Bring, jsonl: Callable[..., Path]) -> None:
    for step in (1, 2, 10):
        rows = [_row(p, f"{step}{p}{i}", float(i), step) for i in range(2) for p in ("a", "b")]
        folder = jsonl(f"{step}.jsonl", rows).parent
    got = bring(folder)
    assert got.report.format == "verl"
    assert got.report.evidence == "fields input, output, score, step: a verl rollout dump"
    assert got.report.files == ["1.jsonl", "2.jsonl", "10.jsonl"]
    assert got.groups() == [
        ["1a0", "1a1"],
        ["1b0", "1b1"],
        ["2a0", "2a1"],
        ["2b0", "2b1"],
        ["10a0", "10a1"],
        ["10b0", "10b1"],
    ]
    assert got.report.groups.n_inferred == 6
    assert got.report.groups.inferred_from == "step and exact prompt"
    assert got.report.notes == ["steps 1 to 10: 3 files; 7 missing, the first is 3"]
    assert got.samples["policy_version"].to_list()[:4] == ["1", "1", "1", "1"]
    assert not got.samples["token_exact"].any()
    assert got.prompts.select("prompt", "answer", "source_file", "source_row").rows() == [
        ("a", "4", "1.jsonl", 1),
        ("b", "4", "1.jsonl", 2),
    ]


def test_acc_is_the_outcome_and_score_the_reward(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [_row("a", "x", 0.7, acc=True), _row("a", "y", -0.3, acc=0.0), _row("a", "z", 1.0, acc=None)]
    got = bring(jsonl("1.jsonl", rows))
    assert got.report.evidence.startswith("fields input, output, score, step, acc = outcome")
    assert got.verdicts is not None
    assert got.verdicts.select("outcome", "reward").rows() == [("correct", 0.7), ("incorrect", -0.3), (None, 1.0)]


def test_the_first_part_of_a_v1_uid_is_the_group_and_the_second_the_sample(
    bring: Bring, jsonl: Callable[..., Path]
) -> None:
    rows = [
        _row("a", "a1", uid="f00_1_0"),
        _row("a", "other a", uid="f_0_0_0_0"),
        _row("b", "b0", uid="ba4_0_0"),
        _row("a", "a0", uid="f00_0_0"),
    ]
    got = bring(jsonl("1.jsonl", rows))
    assert got.groups() == [["a0", "a1"], ["other a"], ["b0"]]
    assert got.report.groups.n_inferred == 0
    assert got.samples["sample_index"].to_list() == [0, 1, 0, 0]


def test_sessions_of_several_turns_are_rejected_whole(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [
        _row("a", "one turn", uid="f00_0_0"),
        _row("a", "turn 0", uid="f00_1_0"),
        _row("a tool says", "turn 1", uid="f00_1_1"),
        _row("a tool says", "stray", uid="f00_2_1"),
    ]
    got = bring(jsonl("1.jsonl", rows))
    assert got.groups() == [["one turn"]]
    assert got.reasons() == [
        ("1.jsonl", 2, "one of 2 outputs of a multi-turn session"),
        ("1.jsonl", 3, "one of 2 outputs of a multi-turn session"),
        ("1.jsonl", 4, "output 1 of a multi-turn session"),
    ]


def test_a_uid_of_another_form_leaves_the_group_to_inference(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("1.jsonl", [_row("a", "x", uid="1234-5678"), _row("a", "y", uid="8765-4321")]))
    assert got.groups() == [["x", "y"]]
    assert got.report.groups.n_inferred == 1


@pytest.mark.parametrize("uid", [None, 7, "", "a_b", "a_1_b", "a_-1_0", "a_1_" + "9" * 5000])
def test_what_is_no_v1_uid(uid: object) -> None:
    assert split_uid(uid) is None


def test_bad_scores_are_rejects_with_file_and_line(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [_row("a", "x", 1.0), _row("a", "y", math.nan), _row("a", "z", math.inf), {**_row("a", "w"), "score": "1"}]
    got = bring(jsonl("1.jsonl", [*rows, {**_row("a", "null"), "score": None}, "{cut"]))
    assert [reason for _, _, reason in got.reasons()][:3] == [
        "reward is NaN",
        "reward is infinite",
        "reward is text, not a number",
    ]
    assert [(file, line) for file, line, _ in got.reasons()] == [("1.jsonl", i) for i in (2, 3, 4, 6)]
    assert got.report.first_rejects[0].reason == "reward is NaN"
    assert got.report.n_rejects == 4
    assert got.rejects[0]["text"].startswith('{"input": "a", "output": "y"')
    assert got.verdicts is not None
    assert got.verdicts.select("outcome", "reward", "detail").rows() == [
        ("correct", 1.0, None),
        (None, None, "not judged in the source"),
    ]


def test_group_ids_do_not_depend_on_the_order_of_rows(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [_row(p, f"{p}{i}", uid=f"{p}_{i}_0") for p in "abc" for i in range(3)]
    before = bring(jsonl("1.jsonl", rows)).samples.sort("group_id", "sample_index")
    after = bring(jsonl("1.jsonl", rows[::-1])).samples.sort("group_id", "sample_index")
    assert before.equals(after)
    assert before.select(pl.struct("group_id", "sample_index").n_unique()).item() == 9
