"""Agreement of two clusterings, with figures worked by hand."""

from __future__ import annotations

import polars as pl
import pytest

from curate.evaluating import agreement, disagreements

Clusters = list[int | None]


def frame(*groups: tuple[Clusters, Clusters], texts: list[str | None] | None = None) -> pl.DataFrame:
    rows = [
        {"group_id": g, "sample_index": i, "cluster": one, "cluster_other": other, "completion": f"{g}.{i}"}
        for g, group in enumerate(groups)
        for i, (one, other) in enumerate(zip(*group, strict=True))
    ]
    schema = {
        "group_id": pl.Int64,
        "sample_index": pl.Int32,
        "cluster": pl.Int32,
        "cluster_other": pl.Int32,
        "completion": pl.String,
    }
    found = pl.DataFrame(rows, schema=schema)
    return found if texts is None else found.with_columns(completion=pl.Series(texts, dtype=pl.String))


def test_two_clusterings_by_hand() -> None:
    # 5 samples, 10 pairs. One: {0,1,2} {3,4}: 4 together. Other: {0,1} {2,3,4}: 4 together. Both: {0,1} {3,4}: 2.
    # Agree: 10 + 2*2 - 4 - 4 = 6. Adjusted: E = 16/10, (2 - 1.6) / (4 - 1.6) = 1/6
    found = agreement(frame(([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])))
    assert (found.n_pairs, found.n_same_one, found.n_same_other, found.n_same_both) == (10, 4, 4, 2)
    assert found.n_agree == 6
    assert found.share == 0.6
    assert found.adjusted_rand == pytest.approx(1 / 6)
    assert found.share_distinct == 0.6


def test_the_numbers_of_clusters_mean_nothing_and_equal_clusterings_agree() -> None:
    found = agreement(frame(([0, 1, 1, 2], [5, 3, 3, 0])))
    assert found.share == 1.0
    assert found.adjusted_rand == pytest.approx(1.0)


@pytest.mark.parametrize("clusters", [[0, 0, 0], [0, 1, 2]])
def test_equal_clusterings_without_a_contrast_have_an_index_of_1(clusters: Clusters) -> None:
    assert agreement(frame((clusters, clusters))).adjusted_rand == 1.0


def test_one_cluster_against_single_ones_agrees_on_nothing() -> None:
    found = agreement(frame(([0, 0, 0], [0, 1, 2])))
    assert found.share == 0.0
    assert found.adjusted_rand == 0.0


def test_the_index_is_the_mean_over_groups_and_the_share_that_over_pairs() -> None:
    found = agreement(frame(([0, 0], [0, 0]), ([0, 0, 0], [0, 1, 2])))
    assert found.n_groups == 2
    assert (found.n_agree, found.n_pairs, found.share) == (1, 4, 0.25)
    assert found.adjusted_rand == 0.5


def test_samples_without_a_cluster_on_one_side_are_counted_and_make_no_pair() -> None:
    found = agreement(frame(([0, 0, None, None], [0, None, 0, None]), ([0], [0])))
    assert (found.n_both, found.n_only_one, found.n_only_other) == (2, 1, 1)
    assert (found.n_groups, found.n_pairs) == (0, 0)
    assert found.share is found.adjusted_rand is found.share_distinct is None


def test_equal_texts_cannot_differ_and_are_counted_once_among_different_texts() -> None:
    found = agreement(frame(([0, 0, 0, 1], [0, 0, 0, 0]), texts=["a", "a", "a", "b"]))
    assert found.share == 0.5
    assert (found.n_distinct_pairs, found.n_distinct_agree, found.share_distinct) == (1, 0, 0.0)
    unknown = agreement(frame(([0, 1], [0, 1]), texts=["a", None]))
    assert unknown.share == 1.0
    assert unknown.n_distinct_pairs is None


def test_the_first_pair_of_each_group_that_disagrees_is_shown() -> None:
    groups = [([0, 1], [0, 1]), ([0, 0, 1], [0, 1, 1]), ([0, 1], [0, 0])]
    found = disagreements(frame(*groups))
    assert found == [
        {"group_id": 1, "sample_indices": [0, 1], "texts": ["1.0", "1.1"], "together_for": "one"},
        {"group_id": 2, "sample_indices": [0, 1], "texts": ["2.0", "2.1"], "together_for": "other"},
    ]
    assert [pair["group_id"] for pair in disagreements(frame(*groups), most=1)] == [1]


def test_nothing_to_compare() -> None:
    empty = frame()
    assert agreement(empty).n_both == 0
    assert agreement(empty).as_json()["share"] is None
    assert disagreements(empty) == []


def test_a_group_of_many_samples_does_not_overflow() -> None:
    n = 300_000
    large = pl.select(
        group_id=pl.repeat(1, n, dtype=pl.Int64),
        sample_index=pl.int_range(n, dtype=pl.Int32),
        cluster=pl.int_range(n, dtype=pl.Int32) % 2,
        cluster_other=pl.int_range(n, dtype=pl.Int32) % 2,
        completion=pl.int_range(n).cast(pl.String),
    )
    found = agreement(large)
    assert found.n_pairs == n * (n - 1) // 2
    assert found.share == 1.0
    assert found.adjusted_rand == pytest.approx(1.0)
