from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from importing_case import Bring, Imported

from curate.errors import ConfigError
from curate.importing import spill
from curate.importing.load import cut


def _rows(n_groups: int, size: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"p{g % 7}", "completion": f"{g}.{i}", "group": g, "sample_index": i, "reward": (g + i) % 2}
        for g in range(n_groups)
        for i in range(size)
    ]


def _by_key(got: Imported) -> list[pl.DataFrame]:
    assert got.verdicts is not None
    return [got.samples.sort("group_id", "sample_index"), got.verdicts.sort("group_id", "sample_index")]


def test_scattered_groups_come_together_in_the_order_of_their_first_rows(
    bring: Bring, jsonl: Callable[..., Path]
) -> None:
    rows = [{"prompt": p, "completion": f"{p}{i}", "step": 1} for i in range(3) for p in "abc"]
    got = bring(jsonl("a.jsonl", rows), rows_per_part=3)
    assert got.groups() == [["a0", "a1", "a2"], ["b0", "b1", "b2"], ["c0", "c1", "c2"]]
    assert got.samples["sample_index"].to_list() == [0, 1, 2] * 3
    assert got.parts == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


@pytest.mark.parametrize("flush_rows", [1, 7, 1000])
def test_order_parts_and_flushes_change_no_row(
    bring: Bring, jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, flush_rows: int
) -> None:
    rows = _rows(n_groups=30, size=4)
    expected = _by_key(bring(jsonl("a.jsonl", rows)))
    monkeypatch.setattr(spill, "FLUSH_ROWS", flush_rows)
    monkeypatch.setattr(spill, "ROW_GROUP", 5)
    random.Random(flush_rows).shuffle(rows)
    got = bring(jsonl("a.jsonl", rows), rows_per_part=9)
    assert len(got.parts) == 15
    assert len(got.prompts) == 7
    assert all(a.equals(b) for a, b in zip(_by_key(got), expected, strict=True))


def test_prompts_come_with_the_part_where_they_are_first_met(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [{"prompt": p, "completion": f"{s}", "step": s} for s, p in enumerate("abab")]
    got = bring(jsonl("a.jsonl", rows), rows_per_part=1)
    assert len(got.parts) == 4
    assert got.prompts.select("prompt", "source_row").rows() == [("a", 1), ("b", 2)]
    assert got.report.n_prompts == 2


@pytest.mark.parametrize(
    ("sizes", "rows_per_part", "bounds"),
    [
        ([4, 4, 4], 8, [(0, 2), (2, 3)]),
        ([4, 4, 4], 100, [(0, 3)]),
        ([4, 4, 4], 1, [(0, 1), (1, 2), (2, 3)]),
        ([1, 9, 1], 5, [(0, 1), (1, 2), (2, 3)]),
        ([3], 3, [(0, 1)]),
        ([], 3, []),
    ],
)
def test_parts_hold_whole_groups(sizes: list[int], rows_per_part: int, bounds: list[tuple[int, int]]) -> None:
    assert cut(sizes, rows_per_part) == bounds


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


def test_duplicates_are_rejected_across_files_and_the_first_stays(bring: Bring, jsonl: Callable[..., Path]) -> None:
    jsonl("1.jsonl", _rows(2, 2))
    folder = jsonl("2.jsonl", [_rows(2, 2)[3] | {"completion": "again"}]).parent
    got = bring(folder)
    assert got.reasons() == [("2.jsonl", 1, "duplicate sample: its group already has this sample_index")]
    assert got.rejects[0]["text"] == "again"
    assert got.groups() == [["0.0", "0.1"], ["1.0", "1.1"]]
    assert (got.report.n_samples, got.report.n_rejects, got.report.groups.sizes) == (4, 1, {2: 2})


def test_an_empty_source_and_a_missing_one_are_refused(
    bring: Bring, jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"a\.jsonl has no rows"):
        bring(jsonl("a.jsonl", []), format="generic")
    with pytest.raises(ConfigError, match=r"a\.jsonl has no rows that could be read"):
        bring(jsonl("a.jsonl", ["", "  "]))
    with pytest.raises(ConfigError, match="gone does not exist"):
        bring(tmp_path / "gone")


def test_a_source_of_rejects_alone_has_no_parts(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("a.jsonl", [{"prompt": "p", "completion": None}, "{"]))
    assert got.parts == []
    assert (got.report.n_samples, got.report.n_rejects) == (0, 2)
    assert got.report.groups.common_size is None


def test_advantages_of_groups_with_unknown_outcome_have_no_count_of_correct(
    bring: Bring, jsonl: Callable[..., Path]
) -> None:
    rows = [
        {"prompt": p, "completion": f"{p}{r}", "reward": r, "advantage": a}
        for p, r, a in [("p", 0.5, 1), ("p", 0.1, -1), ("q", 0.2, None), ("q", 0.3, 0.0)]
    ]
    got = bring(jsonl("a.jsonl", rows))
    assert got.advantages is not None
    assert got.advantages.select(
        "reward", "shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"
    ).rows() == [
        (0.5, None, 1.0, 1.0, None, 2, None),
        (0.1, None, -1.0, 1.0, None, 2, None),
        (0.2, None, None, None, "unjudged", 1, None),
        (0.3, None, 0.0, 1.0, None, 1, None),
    ]
