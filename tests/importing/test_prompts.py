from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from importing_case import Bring


def test_prompts_come_with_the_part_where_they_are_first_met(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": p, "completion": f"{s}", "step": s} for s, p in enumerate("abab")]
    got = bring(jsonl("a.jsonl", rows), rows_per_part=1)
    assert len(got.parts) == 4
    assert got.prompts.select("prompt", "source_row").rows() == [("a", 1), ("b", 2)]
    assert got.report.n_prompts == 2


def test_a_prompt_id_of_the_source_is_kept_and_must_mean_one_prompt(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt_id": "ex-1", "prompt": p, "completion": "c"} for p in "ppq"]
    got = bring(jsonl("a.jsonl", rows))
    assert got.prompts["prompt_id"].to_list() == ["ex-1"]
    assert got.reasons() == [("a.jsonl", 3, "prompt_id ex-1 came with another prompt before")]


def test_a_prompt_with_two_answers_is_reported(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": "p", "completion": "c", "answer": a} for a in ("1", "1", "2")]
    got = bring(jsonl("a.jsonl", rows))
    assert got.prompts["answer"].to_list() == ["1"]
    assert got.report.notes == [
        "1 prompts came with several answers, references, domains or token ids: the first of each was kept"
    ]
