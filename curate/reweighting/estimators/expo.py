"""ExPO's supervised term: a policy's own explanations of right answers (arXiv 2507.02834)."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.estimators.rwr import constant
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import estimator


@estimator()
def expo(weight: float = 0.04) -> Estimator:
    """Imitate the correct samples with a small weight at advantage 1; wrong ones are ``gated`` (arXiv 2507.02834).

    ``weight`` above 0; 0.04 is the paper's factor of the term beside the policy's loss.
    """
    if not weight > 0:
        raise ConfigError(f"weight must be above 0, got {weight}")
    return Estimator(
        constant,
        needs_group=False,
        has_signal_if_uniform=True,
        sample=pl.when(~CORRECT).then(pl.lit("gated")),
        weight=pl.lit(weight),
        keep_groups="all",
    )
