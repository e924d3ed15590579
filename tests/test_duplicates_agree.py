"""Duplicates of a completion are the same thing to the likelihood stage and to recipes on a plain frame."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curate.likelihood import rank
from curate.reweighting import share_duplicates

SCHEMA = {
    "group_id": pl.Int64,
    "completion_ids": pl.List(pl.Int32),
    "completion": pl.String,
    "n_tokens": pl.Int32,
    "mean_logprob": pl.Float64,
    "sum_logprob": pl.Float64,
}
LIKELIHOODS = ["mean_logprob", "sum_logprob"]

SAMPLE = st.tuples(
    st.integers(1, 2),
    st.none() | st.lists(st.integers(0, 1), max_size=2),
    st.none() | st.sampled_from(["a", "b"]),
    st.none() | st.integers(1, 2),
    st.none() | st.integers(-40, 0).map(lambda quarter: quarter / 4),
    st.none() | st.integers(-40, 0).map(lambda quarter: quarter / 4),
)


def are_one_completion(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if a["group_id"] != b["group_id"] or a["n_tokens"] != b["n_tokens"] or a["completion_ids"] != b["completion_ids"]:
        return False
    return a["completion_ids"] is not None or (a["completion"] is not None and a["completion"] == b["completion"])


def naive(rows: list[dict[str, Any]], name: str) -> list[float | None]:
    shared = []
    for row in rows:
        of_twins = [b[name] for b in rows if are_one_completion(row, b) and b[name] is not None]
        own = row[name]
        shared.append(sum(of_twins) / len(of_twins) if own is not None and of_twins else own)
    return shared


@given(st.lists(SAMPLE, max_size=14))
def test_both_share_what_is_shared_by_definition(samples: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(samples, schema=SCHEMA, orient="row")
    ours, theirs = rank(frame).select(LIKELIHOODS), share_duplicates(frame).select(LIKELIHOODS)
    assert ours.rows() == theirs.rows()
    for name in LIKELIHOODS:
        assert ours[name].to_list() == naive(frame.rows(named=True), name)
