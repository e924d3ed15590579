"""Places of a group's samples by likelihood."""

from __future__ import annotations

import polars as pl


def rank(samples: pl.DataFrame) -> pl.DataFrame:
    """Share log-probs among duplicates and add likelihood_rank, by mean log-prob within the group.

    Reads group_id, mean_logprob, sum_logprob, completion_ids and completion. Samples of a group with equal
    completion_ids (equal text where ids are null) are one completion: mean_logprob and sum_logprob become the mean
    over those of them that are scored, because a served bf16 model gives each its own. likelihood_rank is 1 for the
    most likely; ties share the average rank, so it is a float. A group of one ranks 1, a uniform group of G ranks
    (G + 1) / 2 throughout, a null log-prob stays null and leaves the ranking of the others. Rows keep their order.
    """
    same = ("group_id", "completion_ids", pl.when(pl.col("completion_ids").is_null()).then("completion"))
    shared = [
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).mean().over(*same)).alias(name)
        for name in ("mean_logprob", "sum_logprob")
    ]
    place = pl.col("mean_logprob").rank("average", descending=True).over("group_id")
    return samples.with_columns(shared).with_columns(likelihood_rank=place)
