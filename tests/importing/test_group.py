from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from importing_case import Bring


def test_a_step_missing_in_the_source_is_said(bring: Bring, jsonl: Callable[..., Path]) -> None:
    none = bring(jsonl("a.jsonl", [{"prompt": "p", "completion": "c"}])).report.groups
    assert none.inferred_from is not None
    assert none.inferred_from.startswith("the exact prompt alone: the source has no step")
    some = [{"prompt": "p", "completion": "c"}, {"prompt": "p", "completion": "c", "step": 1}]
    report = bring(jsonl("a.jsonl", some)).report.groups
    assert report.inferred_from == "step and exact prompt, where there is a step"
    assert report.n_groups == 2


def test_the_source_name_is_part_of_every_group_id(bring: Bring, jsonl: Callable[..., Path]) -> None:
    path = jsonl("a.jsonl", [{"prompt": "p", "completion": "c", "group": 1}])
    ids = [bring(path, source=name).samples["group_id"][0] for name in ("one", "two", "one")]
    assert ids == [-4202095108394027489, 8802470078991822748, -4202095108394027489]


def test_groups_restart_in_each_step(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": "pq"[s], "completion": f"{s}{i}", "group": 0, "step": s} for s in (0, 1) for i in (0, 1)]
    assert bring(jsonl("a.jsonl", rows)).groups() == [["00", "01"], ["10", "11"]]


def test_a_group_with_two_prompts_is_never_mixed(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": p, "completion": "c", "group": "g"} for p in "ppq"]
    got = bring(jsonl("a.jsonl", rows))
    assert got.reasons() == [("a.jsonl", 3, "group g has another prompt in a.jsonl:1")]
    assert got.rejects[0]["text"] == "c"
    assert got.prompts["prompt"].to_list() == ["p"]


def test_a_prompt_that_comes_twice_in_a_step_is_reported_as_ambiguous(bring: Bring, jsonl: Callable[..., Path]) -> None:
    prompts = "aabbccccdde"
    rows = [{"prompt": p, "completion": f"{i}", "step": 1} for i, p in enumerate(prompts)]
    report = bring(jsonl("a.jsonl", rows)).report.groups
    assert report.sizes == {1: 1, 2: 3, 4: 1}
    assert (report.common_size, report.n_odd, report.n_ambiguous) == (2, 2, 1)
    assert report.first_ambiguous == ["a.jsonl:5: 4 samples"]


def test_a_group_either_has_indices_or_source_order(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [
        {"prompt": p, "completion": "c", "sample_index": i} for p, i in [("p", 1), ("p", None), ("q", None), ("q", 0)]
    ]
    got = bring(jsonl("a.jsonl", rows))
    assert got.samples["sample_index"].to_list() == [1, 0]
    assert got.reasons() == [
        ("a.jsonl", 2, "group mixes samples with and without a sample_index, unlike a.jsonl:1"),
        ("a.jsonl", 4, "group mixes samples with and without a sample_index, unlike a.jsonl:3"),
    ]
