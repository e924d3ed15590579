"""The effective number of strategies."""

from __future__ import annotations

import polars as pl
import pytest

from curate.evaluating import effective_by_group, effective_number


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([4], 1.0), ([2, 2], 2.0), ([1, 1, 1, 1], 4.0), ([1], 1.0), ([3, 1], 4 / 27**0.25)],  # 4 / 3^(3/4)
)
def test_effective_number_by_hand(sizes: list[int], expected: float) -> None:
    found = pl.DataFrame({"n": sizes}).select(effective_number(pl.col("n"))).item()
    assert found == pytest.approx(expected, abs=1e-12)


def test_groups_without_a_clustered_sample_are_left_out() -> None:
    clusters = pl.DataFrame({"group_id": [5, 5, 5, 3, 3, 4], "cluster": [0, 1, None, None, None, 0]})
    found = effective_by_group(clusters)
    assert found.rows() == [(5, 2, pytest.approx(2.0)), (4, 1, 1.0)]


def test_no_clusters_at_all() -> None:
    clusters = pl.DataFrame({"group_id": [1], "cluster": [None]}, schema={"group_id": pl.Int64, "cluster": pl.Int32})
    assert effective_by_group(clusters).height == 0
