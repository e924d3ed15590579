"""Places of a group's samples by likelihood."""

from __future__ import annotations

import polars as pl


def rank(samples: pl.DataFrame) -> pl.DataFrame:
    """Share log-probs among duplicates and add likelihood_rank, by mean log-prob within the group.

    Reads group_id, n_tokens, mean_logprob, sum_logprob, completion_ids and completion. Samples of a group with equal
    completion_ids (equal text where ids are null) and n_tokens are one completion: mean_logprob and sum_logprob become
    the mean over those of them that are scored, because a served bf16 model gives each its own. Other n_tokens mean
    another loss_mask, and so a sum of other tokens. likelihood_rank is 1 for the most likely; ties share the average
    rank, so it is a float. A group of one ranks 1, a uniform group of G ranks (G + 1) / 2 throughout, a null log-prob
    stays null and leaves the ranking of the others. Samples of unknown ids and text share nothing. Rows keep their
    order. ``curate.reweighting.share_duplicates`` shares by the same definition.
    """
    ids, text = pl.col("completion_ids"), pl.col("completion")
    same = ("group_id", "n_tokens", ids, pl.when(ids.is_null()).then(text))
    is_known = ids.is_not_null() | text.is_not_null()
    shared = [
        pl.when(is_known & pl.col(name).is_not_null()).then(pl.col(name).mean().over(*same)).otherwise(name).alias(name)
        for name in ("mean_logprob", "sum_logprob")
    ]
    place = pl.col("mean_logprob").rank("average", descending=True).over("group_id")
    return samples.with_columns(shared).with_columns(likelihood_rank=place)
