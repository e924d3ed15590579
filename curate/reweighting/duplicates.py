"""Duplicates: equal completions of a group share one log-prob."""

from __future__ import annotations

import polars as pl

_LIKELIHOODS = ("mean_logprob", "sum_logprob")


def share_duplicates(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the scored samples of a group with the same completion the mean of their mean_logprob and sum_logprob.

    The same: equal completion_ids, or equal ``completion`` text where ids are null; with a column n_tokens, as many
    tokens too. A served bf16 model scores the same tokens differently from one batch to the next, and a rank would
    take that noise for a difference. A null log-prob stays null: a sample that was not scored is not scored. Samples
    of unknown ids and text share nothing. Rows keep their order; a frame without log-probs or completions comes back
    as it is.
    ``curate.likelihood.rank`` shares by the same definition.
    """
    columns = frame.columns
    if not {"completion_ids", "completion"} & set(columns):
        return frame
    is_known = pl.col("completion_ids").is_not_null() if "completion_ids" in columns else pl.lit(False)
    same = [pl.col(name) for name in ("group_id", "completion_ids", "n_tokens") if name in columns]
    if "completion" in columns:
        same.append(pl.when(~is_known).then("completion"))
        is_known = is_known | pl.col("completion").is_not_null()
    return frame.with_columns(
        pl.when(is_known & pl.col(name).is_not_null()).then(pl.col(name).mean().over(same)).otherwise(name).alias(name)
        for name in _LIKELIHOODS
        if name in columns
    )
