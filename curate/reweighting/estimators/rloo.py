"""RLOO: compare with the mean of the other samples (arXiv 2402.14740)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator


@estimator()
def rloo() -> Estimator:
    """Compare with the mean of the *other* samples: A_i = G/(G-1) * (R_i - mean) (arXiv 2402.14740)."""
    return Estimator(leave_one_out)


def leave_one_out(shaped: pl.Expr) -> pl.Expr:
    """Take away the mean of the *other* samples: G/(G-1) * (R_i - mean(R)) (arXiv 2402.14740).

    A group of one has no others and gives NaN or infinity: it is a ``singleton`` before this value is used.
    """
    size = shaped.count()
    return center(shaped) * (size / (size - 1))
