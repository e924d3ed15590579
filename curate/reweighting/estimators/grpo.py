"""GRPO: standardise in the group (arXiv 2402.03300)."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def grpo(eps: float = 1e-6) -> Estimator:
    """Standardise in the group: A = (R - mean) / (std + eps), std with ddof 1 (arXiv 2402.03300)."""
    at_least_0(eps=eps)
    return Estimator(standardize(eps))


def standardize(eps: float) -> Callable[[pl.Expr], pl.Expr]:
    """Centre and divide by the sample std (ddof 1): (R_i - mean(R)) / (std(R) + eps) (arXiv 2402.03300).

    A group of one gives null, a uniform group 0 up to rounding noise: such groups are ``degenerate`` before this
    value is used.
    """

    def standardized(shaped: pl.Expr) -> pl.Expr:
        return center(shaped) / (shaped.std() + eps)

    return standardized
