import polars as pl

from curate.reweighting.duplicates import share_duplicates


def test_equal_completions_of_a_group_share_the_mean_of_their_log_probs() -> None:
    frame = pl.DataFrame(
        {
            "group_id": [1, 1, 1, 1, 2],
            "sample_index": [0, 1, 2, 3, 0],
            "completion_ids": [[5, 6], [5, 6], [6, 5], [5, 6], [5, 6]],
            "mean_logprob": [-1.0, -2.0, -7.0, None, -9.0],
            "sum_logprob": [-2.0, -4.0, -14.0, None, -18.0],
        }
    )
    shared = share_duplicates(frame)
    assert shared["mean_logprob"].to_list() == [-1.5, -1.5, -7.0, None, -9.0]
    assert shared["sum_logprob"].to_list() == [-3.0, -3.0, -14.0, None, -18.0]
    assert shared.drop("mean_logprob", "sum_logprob").equals(frame.drop("mean_logprob", "sum_logprob"))


def test_equal_text_is_a_duplicate_only_where_ids_are_unknown() -> None:
    frame = pl.DataFrame(
        {
            "group_id": [1, 1, 1, 1],
            "completion_ids": pl.Series([None, None, [1], None], dtype=pl.List(pl.Int32)),
            "completion": ["a", "a", "a", "b"],
            "mean_logprob": [-1.0, -2.0, -5.0, -9.0],
        }
    )
    assert share_duplicates(frame)["mean_logprob"].to_list() == [-1.5, -1.5, -5.0, -9.0]


def test_other_counts_of_tokens_are_other_completions() -> None:
    frame = pl.DataFrame(
        {
            "group_id": [1, 1, 1],
            "completion_ids": [[1, 2], [1, 2], [1, 2]],
            "n_tokens": [2, 1, 2],
            "mean_logprob": [-1.0, -3.0, -2.0],
            "sum_logprob": [-2.0, -3.0, -4.0],
        }
    )
    shared = share_duplicates(frame)
    assert shared["mean_logprob"].to_list() == [-1.5, -3.0, -1.5]
    assert shared["sum_logprob"].to_list() == [-3.0, -3.0, -3.0]


def test_unknown_completions_share_nothing() -> None:
    frame = pl.DataFrame(
        {
            "group_id": [1, 1, 1],
            "completion_ids": pl.Series([None, None, [1]], dtype=pl.List(pl.Int32)),
            "mean_logprob": [-1.0, -3.0, None],
        }
    )
    assert share_duplicates(frame)["mean_logprob"].to_list() == [-1.0, -3.0, None]
    without_text = frame.with_columns(completion=pl.lit(None, pl.String))
    assert share_duplicates(without_text)["mean_logprob"].to_list() == [-1.0, -3.0, None]
    untyped = frame.with_columns(completion_ids=pl.lit(None))
    assert share_duplicates(untyped)["mean_logprob"].to_list() == [-1.0, -3.0, None]


def test_a_frame_without_log_probs_comes_back_as_it_is() -> None:
    frame = pl.DataFrame({"group_id": [1], "completion_ids": [[1]], "reward": [0.0]})
    assert share_duplicates(frame).equals(frame)


def test_a_frame_with_text_alone_shares_by_text() -> None:
    frame = pl.DataFrame(
        {"group_id": [1, 1, 1, 2], "completion": ["a", "a", "b", "a"], "mean_logprob": [-1.0, -3.0, -5.0, -7.0]}
    )
    assert share_duplicates(frame)["mean_logprob"].to_list() == [-2.0, -2.0, -5.0, -7.0]


def test_a_frame_without_completions_comes_back_as_it_is() -> None:
    frame = pl.DataFrame({"group_id": [1, 1], "mean_logprob": [-1.0, -3.0]})
    assert share_duplicates(frame).equals(frame)
