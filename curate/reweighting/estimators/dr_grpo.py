"""Dr. GRPO: centre in the group (arXiv 2503.20783)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator


@estimator()
def dr_grpo() -> Estimator:
    """Centre in the group, without scaling: A = R - mean (arXiv 2503.20783)."""
    return Estimator(center)


def center(shaped: pl.Expr) -> pl.Expr:
    """Take away the group's mean: R_i - mean(R). A group of one and a uniform group give 0 (arXiv 2503.20783)."""
    return shaped - shaped.mean()
