"""Uplift rate by rank on groups small enough to rank by eye."""

from __future__ import annotations

import polars as pl
import pytest

from curate.evaluating import uplift_by_rank


def rows(*groups: list[tuple[str, float | None, float | None]]) -> pl.DataFrame:
    names = {"c": "correct", "i": "incorrect"}
    return pl.DataFrame(
        [
            {"group_id": g, "outcome": names[o], "initial": initial, "trained": trained}
            for g, group in enumerate(groups)
            for o, initial, trained in group
        ],
        schema_overrides={"initial": pl.Float64, "trained": pl.Float64},
    )


def test_rate_at_each_rank_of_correct_samples_over_groups() -> None:
    found = uplift_by_rank(
        rows(
            [("c", -1, -0.5), ("i", -2, -9), ("c", -3, -4)],  # rank 0 up, rank 2 down
            [("c", -3, -2), ("c", -1, -2), ("i", -2, -1)],  # rank 2 up, rank 0 down
        )
    )
    assert [(p.ranks, p.n, p.rate) for p in found.by_rank] == [("0", 2, 0.5), ("1", 0, None), ("2", 2, 0.5)]
    assert found.bins == found.by_rank
    assert (found.rate, found.n_groups, found.n_correct, found.n_not_scored) == (0.5, 2, 4, 0)


def test_wrong_samples_take_ranks_and_ties_keep_their_order() -> None:
    found = uplift_by_rank(rows([("i", -1, -1), ("c", -1, -0.5), ("c", -2, -3)]))
    assert [p.rate for p in found.by_rank] == [None, 1.0, 0.0]


def test_a_rise_within_rounding_is_none() -> None:
    found = uplift_by_rank(rows([("c", -1.0, -0.99995), ("c", -2.0, -1.9998)]))
    assert [p.rate for p in found.by_rank] == [0.0, 1.0]


def test_ranks_are_gathered_into_runs() -> None:
    group = [("c", -float(r), -float(r) + (0.5 if r < 8 else -0.5)) for r in range(32)]
    found = uplift_by_rank(rows(group), n_bins=4)
    assert [(p.ranks, p.n, p.rate) for p in found.bins] == [
        ("0-7", 8, 1.0),
        ("8-15", 8, 0),
        ("16-23", 8, 0),
        ("24-31", 8, 0),
    ]
    assert len(found.by_rank) == 32


def test_groups_of_other_sizes_are_cut_into_equal_shares() -> None:
    found = uplift_by_rank(
        rows([("c", -1, 0), ("c", -2, -3)], [("c", -1, 0), ("i", -2, 0), ("c", -3, -9), ("c", -4, -5)]), 2
    )
    assert found.by_rank == []
    assert [(p.ranks, p.n, p.rate) for p in found.bins] == [("0/2-1/2", 2, 1.0), ("1/2-2/2", 3, 0.0)]


def test_samples_without_both_scores_leave_their_group_and_are_counted() -> None:
    found = uplift_by_rank(rows([("c", None, -1), ("c", -5, -4), ("c", -6, None)]))
    assert [(p.ranks, p.n, p.rate) for p in found.by_rank] == [("0", 1, 1.0)]
    assert found.n_not_scored == 2


def test_no_correct_sample_gives_no_rate() -> None:
    found = uplift_by_rank(rows([("i", -1, 0), ("i", -2, -1)]))
    assert (found.rate, [p.rate for p in found.by_rank]) == (None, [None, None])
    empty = uplift_by_rank(rows([("c", None, None)]))
    assert (empty.rate, empty.bins, empty.n_not_scored) == (None, [], 1)


def test_the_mean_over_ranks_is_the_overall_rate() -> None:
    group = [("c", -float(r), -float(r) + (0.5 if r % 3 else -0.5)) for r in range(10)]
    found = uplift_by_rank(rows(group), n_bins=3)
    assert found.rate == pytest.approx(0.6)
    assert sum(p.n * (p.rate or 0) for p in found.bins) == pytest.approx(6)
