"""LENS: standardise where a group has a success, centre it where it has none (arXiv 2510.08696)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.group import has_success
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def lens(alpha: float = 0.25, eps: float = 1e-6) -> Estimator:
    """Standardise groups with a success, and only centre and scale all-wrong ones (arXiv 2510.08696).

    A = (R - mean) / (std + eps), std with ddof 1; in all-wrong groups A = alpha * (R - mean), ``alpha`` at least 0.
    Its rewards are those of the shaping ``confidence``.
    """
    at_least_0(alpha=alpha, eps=eps)

    def advantage(shaped: pl.Expr) -> pl.Expr:
        return pl.when(has_success()).then(standardize(eps)(shaped)).otherwise(alpha * center(shaped))

    return Estimator(advantage, keep_groups="not_all_correct")
