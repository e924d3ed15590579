"""Reward-weighted regression: every sample is imitated, by a weight that grows with its reward."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import SHAPED
from curate.reweighting.registry import estimator

LARGEST_EXPONENT = 60.0  # e^60 = 1e26: a batch of such losses still has a sum in float32


@estimator(temperature=1.0)
def rwr(temperature: float) -> Estimator:
    """Imitate every sample with weight exp(R / temperature) at advantage 1 (RWR in arXiv 2404.14367).

    ``temperature`` above 0, in units of the reward. The weights are not normalised; the exponent is cut at 60, so that a
    trainer's float32 sums stay finite.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be above 0, got {temperature}")
    return Estimator(
        constant,
        needs_group=False,
        has_signal_if_uniform=True,
        weight=(SHAPED / temperature).clip(upper_bound=LARGEST_EXPONENT).exp(),
        keep_groups="all",
    )


def constant(shaped: pl.Expr) -> pl.Expr:
    """Give the advantage of supervised training, 1."""
    return pl.when(shaped.is_not_null()).then(1.0)
