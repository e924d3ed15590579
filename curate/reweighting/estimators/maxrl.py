"""MaxRL: centre in the group and divide by its mean (arXiv 2602.02710)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator


@estimator()
def maxrl() -> Estimator:
    """Centre in the group and divide by its mean: A = (R - mean) / mean, 0 where mean <= 0 (arXiv 2602.02710)."""
    return Estimator(relative_to_mean, rewards="non_negative")


def relative_to_mean(shaped: pl.Expr) -> pl.Expr:
    """Give (R_i - mean) / mean = R_i / mean - 1, and 0 where the mean is not above 0: there a wrong sign would come out."""
    mean = shaped.mean()
    return pl.when(mean > 0).then(shaped / mean - 1).otherwise(0.0)
