"""RAFT: the correct samples alone (arXiv 2504.11343)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import estimator


@estimator()
def raft() -> Estimator:
    """Train on the correct samples alone, each by its own reward: A = R; wrong ones are ``gated`` (arXiv 2504.11343)."""
    return Estimator(
        lambda shaped: shaped,
        needs_group=False,
        has_signal_if_uniform=True,
        sample=pl.when(~CORRECT).then(pl.lit("gated")),
        keep_groups="all",
    )
