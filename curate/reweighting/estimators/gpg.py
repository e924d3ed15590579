"""GPG: centre in the group, and make up for the samples without a signal (arXiv 2504.02546)."""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import DEGENERATE, SHAPED
from curate.reweighting.registry import estimator

Alpha = Literal["official", "verl"]


@estimator()
def gpg(alpha: Alpha = "official") -> Estimator:
    """Centre in the group and scale by one factor for all: A = alpha * (R - mean) (arXiv 2504.02546).

    B samples of the dataset take part, M of them in groups of equal rewards (a group of one is one).
    ``alpha="official"``: B / (B - M); "verl": B / (number of rewards that are not 0). Where nothing is left to divide
    by, the divisor is 1.
    """
    takes_part = SHAPED.is_not_null()
    counts = takes_part & ~DEGENERATE if alpha == "official" else takes_part & (SHAPED != 0)
    n_samples, n_counted = pl.col("batch_samples"), pl.col("batch_counted")
    return Estimator(
        lambda shaped: center(shaped) * (n_samples / n_counted.clip(lower_bound=1)),
        batch={"samples": pl.when(takes_part).then(1.0), "counted": pl.when(counts).then(1.0)},
    )
