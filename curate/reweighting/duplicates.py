"""Duplicates: equal completions of a group share one log-prob."""

from __future__ import annotations

import polars as pl

_LIKELIHOODS = ("mean_logprob", "sum_logprob")


def share_duplicates(frame: pl.DataFrame) -> pl.DataFrame:
    """Give samples of one group with equal completion_ids the mean of their mean_logprob and sum_logprob.

    A served bf16 model scores the same tokens differently from one batch to the next, and a rank would take that
    noise for a difference. A sample without a log-prob gets that of its duplicates; null completion_ids share nothing.
    Rows keep their order; a frame without log-probs comes back as it is.
    """
    present = [column for column in _LIKELIHOODS if column in frame.columns]
    shared = pl.col(present).mean().over("group_id", "completion_ids")
    has_ids = pl.col("completion_ids").is_not_null()
    return frame.with_columns(pl.when(has_ids).then(shared).otherwise(pl.col(present)).name.keep())
