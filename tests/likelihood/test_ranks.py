"""Ranks by mean log-prob within a group; duplicates share their log-probs."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curate.likelihood import rank

SCHEMA = {
    "group_id": pl.Int64,
    "mean_logprob": pl.Float64,
    "sum_logprob": pl.Float64,
    "n_tokens": pl.Int32,
    "completion_ids": pl.List(pl.Int32),
    "completion": pl.String,
}


def _rank(*rows: tuple[int, float | None, list[int] | None, str | None]) -> pl.DataFrame:
    frame = [(group, mean, None if mean is None else mean * 10, 10, ids, text) for group, mean, ids, text in rows]
    return rank(pl.DataFrame(frame, schema=SCHEMA, orient="row"))


def test_one_is_the_most_likely_of_its_group() -> None:
    ranked = _rank((1, -3.0, [1], "a"), (1, -1.0, [2], "b"), (2, -9.0, [1], "a"), (1, -2.0, [3], "c"))
    assert ranked["likelihood_rank"].to_list() == [3.0, 1.0, 1.0, 2.0]
    assert ranked["group_id"].to_list() == [1, 1, 2, 1]


def test_ties_share_the_average_rank() -> None:
    ranked = _rank((1, -1.0, [1], "a"), (1, -1.0, [2], "b"), (1, -1.0, [3], "c"), (1, -2.0, [4], "d"))
    assert ranked["likelihood_rank"].to_list() == [2.0, 2.0, 2.0, 4.0]


def test_duplicates_share_the_mean_of_their_log_probs() -> None:
    ranked = _rank((1, -1.0, [1, 2], "a"), (1, -2.0, [1, 2], "a"), (1, -1.75, [3], "b"), (2, -5.0, [1, 2], "a"))
    assert ranked["mean_logprob"].to_list() == [-1.5, -1.5, -1.75, -5.0]
    assert ranked["sum_logprob"].to_list() == [-15.0, -15.0, -17.5, -50.0]
    assert ranked["likelihood_rank"].to_list() == [1.5, 1.5, 3.0, 1.0]


def test_equal_text_is_a_duplicate_only_where_ids_are_unknown() -> None:
    ranked = _rank((1, -1.0, None, "a"), (1, -2.0, None, "a"), (1, -3.0, [1], "a"), (1, -4.0, [2], "a"))
    assert ranked["mean_logprob"].to_list() == [-1.5, -1.5, -3.0, -4.0]


def test_equal_ids_are_duplicates_whatever_their_text() -> None:
    assert _rank((1, -1.0, [1], "a"), (1, -2.0, [1], None))["mean_logprob"].to_list() == [-1.5, -1.5]


def test_unknown_completions_are_no_duplicates() -> None:
    assert _rank((1, -1.0, None, None), (1, -2.0, None, None))["mean_logprob"].to_list() == [-1.0, -2.0]


def test_sums_over_other_counts_of_tokens_are_not_shared() -> None:
    rows = pl.DataFrame([(1, -1.0, -2.0, 2, [7, 8], "a"), (1, -3.0, -3.0, 1, [7, 8], "a")], schema=SCHEMA, orient="row")
    assert rank(rows)["mean_logprob"].to_list() == [-1.0, -3.0]
    assert rank(rows)["sum_logprob"].to_list() == [-2.0, -3.0]


def test_null_stays_null_and_leaves_the_others_alone() -> None:
    ranked = _rank((1, None, [1], "a"), (1, -2.0, [1], "a"), (1, -1.0, [2], "b"), (2, None, [1], "a"))
    assert ranked["mean_logprob"].to_list() == [None, -2.0, -1.0, None]
    assert ranked["likelihood_rank"].to_list() == [None, 2.0, 1.0, None]


def test_empty_frame_gives_an_empty_frame() -> None:
    assert rank(pl.DataFrame(schema=SCHEMA)).schema["likelihood_rank"] == pl.Float64


ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.none() | st.integers(-40, 0).map(lambda quarter: quarter / 4),
        st.none() | st.lists(st.integers(0, 1), min_size=1, max_size=2),
        st.sampled_from(["a", "b"]),
    ),
    max_size=12,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows: list, random) -> None:
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    straight = _rank(*rows).rows()
    moved = _rank(*(rows[place] for place in shuffled)).rows()
    for place, row in zip(shuffled, moved, strict=True):
        assert row == straight[place]


@given(ROWS)
def test_ranks_of_a_group_sum_to_those_of_its_scored_rows(rows: list) -> None:
    for group in _rank(*rows).partition_by("group_id"):
        n_scored = group["mean_logprob"].count()
        assert group["likelihood_rank"].sum() == n_scored * (n_scored + 1) / 2
