"""Drop truncated samples: what was cut off at the token limit does not train, and still counts."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Gate
from curate.reweighting.registry import gate


@gate()
def drop_truncated() -> Gate:
    """Do not train the samples that were cut off at the token limit; their rewards still count (DAPO, arXiv 2503.14476).

    A sample whose ``finish_reason`` is length is ``gated`` (DAPO's overlong filter masks its loss) and stays in the
    group's size, mean and std. One whose finish_reason is null, or abort or other, trains.
    """
    return Gate(sample=pl.when(pl.col("finish_reason") == "length").then(pl.lit("gated")))
