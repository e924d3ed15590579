from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.errors import ConfigError
from curate.importing.generic import from_cell
from importing_case import Bring

MAP = ("prompt=question", "completion=response")


def test_columns_of_our_names_need_no_map(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": "p", "completion": f"c{i}", "reward": i, "group": 7, "domain": "d"} for i in range(2)]
    got = bring(jsonl("a.jsonl", rows))
    assert got.report.format == "generic"
    assert got.report.evidence == "columns prompt, domain, group, completion, reward have our names"
    assert got.groups() == [["c0", "c1"]]
    assert got.report.groups.n_inferred == 0
    assert got.prompts["domain"].to_list() == ["d"]


def test_the_map_renames_reaches_inside_and_leaves_out(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"question": "q", "response": "r", "meta": {"truth": "4"}, "m.x": "n", "reward": "good", "model": "m7"}]
    got = bring(jsonl("a.jsonl", rows), map=[*MAP, "answer=meta.truth", "domain=m.x", "reward=", "policy=model"])
    assert got.report.evidence == "--map names the columns question, response, meta.truth, m.x, model"
    assert got.prompts.select("prompt", "answer", "domain").rows() == [("q", "4", "n")]
    assert got.samples.select("completion", "policy").rows() == [("r", "m7")]
    assert got.verdicts is None


def test_one_row_a_prompt_with_list_columns(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = {
        "question": ["p", "q", "p"],
        "generations": [["a", "b"], ["c"], ["d", "e", "f"]],
        "correct": [[True, False], [True], [False, False, False]],
        "truth": ["1", "2", "1"],
    }
    mapping = ["prompt=question", "completion=generations[]", "reward=correct[]", "answer=truth"]
    got = bring(parquet("a.parquet", columns), map=mapping)
    assert got.groups() == [["a", "b"], ["c"], ["d", "e", "f"]]
    assert got.samples["sample_index"].to_list() == [0, 1, 0, 0, 1, 2]
    assert got.report.groups.n_inferred == 0
    assert len(got.prompts) == 2
    assert got.verdicts is not None
    assert got.verdicts["reward"].to_list() == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert got.report.outcome_from == "rewards, all 0 or 1"


def test_ragged_and_bad_lists_are_rejects(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "g": ["a", "b"], "r": [1, "x"]},
        {"prompt": "q", "g": ["a", "b"], "r": [1]},
        {"prompt": "q", "g": "a", "r": [1]},
        {"prompt": "q", "g": [], "r": []},
        {"prompt": "q", "r": [1]},
    ]
    got = bring(jsonl("a.jsonl", rows), map=["completion=g[]", "reward=r[]"])
    assert got.groups() == [["a"]]
    assert got.reasons() == [
        ("a.jsonl", 1, "sample 1: reward is text, not a number"),
        ("a.jsonl", 2, "lists of different lengths: completion 2, reward 1"),
        ("a.jsonl", 3, "completion is not a list, but its column is mapped with []"),
        ("a.jsonl", 4, "the lists are empty: no samples"),
        ("a.jsonl", 5, "completion is not a list, but its column is mapped with []"),
    ]


@pytest.mark.parametrize("one", [["a", "b"], [[{"role": "assistant", "content": "a"}]]])
def test_a_list_of_completions_mapped_as_one_says_how_to_map_it(
    bring: Bring, jsonl: Callable[..., Path], one: list[Any]
) -> None:
    got = bring(jsonl("a.jsonl", [{"prompt": "q", "g": one, "prompt_ids": [1]}]), map=["completion=g"])
    assert got.reasons() == [("a.jsonl", 1, "completion holds a list: map it as completion=g[]")]


def test_a_list_of_token_ids_mapped_as_one_says_how_to_map_it(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("a.jsonl", [{"prompt": "q", "completion_ids": [[1], [2]]}]))
    assert got.reasons() == [("a.jsonl", 1, "completion_ids holds a list: map it as completion_ids=completion_ids[]")]


def test_a_generation_server_file_of_verl_reads_with_a_map(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = {
        "data_source": ["gsm8k"],
        "prompt": [[{"role": "user", "content": "2+2?"}]],
        "reward_model": [{"style": "rule", "ground_truth": "4"}],
        "responses": [["4", "5"]],
    }
    mapping = ["completion=responses[]", "answer=reward_model.ground_truth", "domain=data_source"]
    got = bring(parquet("out.parquet", columns), map=mapping)
    assert got.prompts.select("prompt", "prompt_format", "answer", "domain").rows() == [
        ('[{"content":"2+2?","role":"user"}]', "chat", "4", "gsm8k")
    ]
    assert got.samples["completion"].to_list() == ["4", "5"]


def test_the_same_messages_are_one_prompt_from_json_and_from_parquet(
    bring: Bring, jsonl: Callable[..., Path], parquet: Callable[..., Path]
) -> None:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u", "name": "n"}]
    jsonl("a.jsonl", [{"prompt": messages, "completion": "x"}])
    folder = parquet("b.parquet", {"prompt": [messages], "completion": ["y"]}).parent
    got = bring(folder)
    assert got.groups() == [["x", "y"]]
    assert got.prompts["prompt_format"].to_list() == ["chat"]


def test_token_columns_are_kept_where_the_ids_are_there(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = {
        "prompt_ids": [[1, 2], [1, 2]],
        "completion_ids": [[3, 4], [5]],
        "logprobs": pa.array([[-0.5, -1.5], [0.0]], pa.list_(pa.float32())),
        "loss_mask": [[True, False], [True]],
        "logprob_semantics": ["raw", None],
        "hinted": [False, True],
    }
    got = bring(parquet("a.parquet", columns))
    names = ["completion_ids", "logprobs", "loss_mask", "token_exact", "logprob_semantics", "hinted"]
    assert got.samples.select(names).rows() == [
        ([3, 4], [-0.5, -1.5], [True, False], True, "raw", False),
        ([5], [0.0], [True], True, None, True),
    ]
    assert got.prompts["prompt_id"].to_list() == ["a078ef96ff117ed2"]


def test_logprobs_of_text_only_sources_are_dropped_and_said(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("a.jsonl", [{"prompt": "p", "completion": "c", "logprobs": [-0.5]}]))
    assert got.samples.select("logprobs", "token_exact").rows() == [(None, False)]
    assert got.report.notes == ["a.jsonl: logprobs left out, for there are no completion_ids they belong to"]


def test_a_field_that_only_late_lines_have_is_read(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": "p", "completion": f"{i}", **({"reward": 1.0} if i > 150 else {})} for i in range(200)]
    got = bring(jsonl("a.jsonl", rows))
    assert got.report.n_rewards == 49


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (["prompt=nope"], r"--map prompt=nope: .*a\.jsonl has no such column, only question, response, meta, meta\.x"),
        (["prompt=question"], "no column for completion: --map completion=COL with one of question, response"),
        ([*MAP, "answer=meta.y"], r"--map answer=meta\.y: .* has no such column"),
        ([*MAP, "reward=response[]"], "with list columns, completion must be one of them"),
    ],
)
def test_a_map_that_cannot_be_says_what_the_file_has(
    bring: Bring, jsonl: Callable[..., Path], mapping: list[str], message: str
) -> None:
    path = jsonl("a.jsonl", [{"question": "q", "response": "r", "meta": {"x": 1}}])
    with pytest.raises(ConfigError, match=message):
        bring(path, map=mapping, format="generic")


def test_csv_cells_are_read_as_their_fields(bring: Bring, csv_file: Callable[..., Path]) -> None:
    rows = [
        ["prompt", "completion", "reward", "accuracy", "step", "seed", "top_p", "completion_ids", "logprobs"],
        ["p", "", "0.5", "TRUE", "1", "-3", "", "[]", "[]"],
        ["p", "two\nlines", "", "", "1", "", "0.9", "[1,2]", "[-0.5,0]"],
        ["p", "c", "high", "", "1", "", "", "[1]", ""],
        ["p", "c", "nan", "", "1", "", "", "[1]", ""],
        ["p", "c", "1", "", "1", "9" * 5000, "", "[1]", ""],
        ["p", "c", "1", "", "1", "", "", "1 2", ""],
    ]
    got = bring(csv_file("a.csv", rows))
    assert got.samples.select("completion", "seed", "top_p", "completion_ids", "logprobs").rows() == [
        ("", -3, None, [], []),
        ("two\nlines", None, 0.9, [1, 2], [-0.5, 0.0]),
    ]
    assert got.verdicts is not None
    assert got.verdicts.select("outcome", "reward").rows() == [("correct", 0.5), (None, None)]
    assert got.reasons() == [
        ("a.csv", 3, "reward is text, not a number"),
        ("a.csv", 4, "reward is NaN"),
        ("a.csv", 5, "seed is text, not a whole number"),
        ("a.csv", 6, "completion_ids is not a JSON list"),
    ]


def test_csv_lists_stand_as_json_in_their_cells(bring: Bring, csv_file: Callable[..., Path]) -> None:
    path = csv_file("a.csv", [["prompt", "gens", "ok"], ["p", '["a","b"]', "[true,false]"], ["p", "a", "[true]"]])
    got = bring(path, map=["completion=gens[]", "reward=ok[]"])
    assert got.groups() == [["a", "b"]]
    assert got.reasons() == [("a.csv", 2, "completion is not a JSON list")]


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("reward", "1_000", "1_000"),
        ("reward", "1e3", 1000.0),
        ("reward", "false", False),
        ("reward", "", None),
        ("answer", "007", "007"),
        ("completion", "", ""),
    ],
)
def test_cells(name: str, cell: str, expected: object) -> None:
    assert from_cell(name, cell) == expected


def test_integers_of_pandas_with_nulls_stay_integers(bring: Bring, parquet: Callable[..., Path]) -> None:
    columns = {"prompt": ["p", "p"], "completion": ["a", "b"], "group": [3.0, 3.0], "seed": [5.0, math.nan]}
    got = bring(parquet("a.parquet", columns))
    assert got.groups() == [["a"]]
    assert got.reasons() == [("a.parquet", 2, "seed is a number, not a whole number")]
