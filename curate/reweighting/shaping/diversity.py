"""Diversity: more reward for the correct samples whose strategy is rare in their group."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0


@shaping(lambda_div=0.5)
def diversity(lambda_div: float) -> Shaping:
    """Reward the correct samples whose strategy is rare in their group (ours, after arXiv 2509.02534).

    R = r * (1 + lambda_div * diversity) for the correct samples of groups that train, r for the others; ``lambda_div``
    at least 0. A correct sample without a diversity leaves as ``no_diversity``.
    """
    at_least_0(lambda_div=lambda_div)
    return Shaping(
        lambda reward, trains: pl.when(trains & CORRECT).then(reward * diversity_bonus(lambda_div)).otherwise(reward),
        missing=lambda trains: {"no_diversity": trains & CORRECT & pl.col("diversity").is_null()},
        rewards="non_negative",
    )


def diversity_bonus(lambda_div: float) -> pl.Expr:
    """Give the diversity factor 1 + lambda_div * diversity, in [1, 1 + lambda_div) (ours, after arXiv 2509.02534).

    diversity is the share of the whole group outside the sample's strategy cluster, in [0, 1), as the feedback states
    it: 0 for a group of one strategy. A null diversity gives null.
    """
    return 1 + lambda_div * pl.col("diversity")
