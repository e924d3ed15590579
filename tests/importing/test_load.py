from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.importing import spill
from curate.importing.load import cut
from importing_case import Bring, Imported


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
FIELDS = {
    "generic": ["prompt", "completion", "reward", "group", "step", "completion_ids", "logprobs", "advantage", "seed"],
    "verl": ["input", "output", "score", "step", "gts", "acc", "uid"],
    "open-instruct": ["step", "sample_idx", "prompt_idx", "prompt_tokens", "response_tokens", "reward", "ground_truth"],
    "tree": ["tree", "node", "parent", "text", "prompt", "q", "visits", "terminal"],
    "gsm8k-solutions": ["question", "ground_truth", "6b_finetuning", "175b_verification"],
}
hostile_rows = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.lists(st.dictionaries(st.sampled_from(FIELDS[name]), json_values, min_size=3), min_size=1)
    )
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile_rows)
def test_hostile_rows_become_samples_that_keep_the_contract_or_rejects(
    bring: Bring, jsonl: Callable[..., Path], case: tuple[str, list[dict[str, Any]]]
) -> None:
    name, rows = case
    first = dict.fromkeys(FIELDS[name])
    got = bring(jsonl("1.jsonl", [first, *(json.dumps(row) for row in rows)]), format=name)
    assert got.report.n_samples == len(got.samples)
    assert got.report.n_rejects == len(got.rejects) >= 1
