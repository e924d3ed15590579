"""Variance increase: spread the rewards of a group as far as their mean, order and bounds allow (arXiv 2505.23247)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.group import uniform
from curate.reweighting.pieces import Shaping
from curate.reweighting.registry import shaping

Probability = Literal["uniform", "reference"]


@shaping()
def variance_increase(low: float = 0.0, high: float = 1.0, probability: Probability = "uniform") -> Shaping:
    """Spread a group's rewards as far as their mean, order and bounds allow (GRPOVI, arXiv 2505.23247).

    R maximises sum p_i R_i^2 with sum p_i R_i = sum p_i r_i, the order of r kept, and low <= R <= high. Equal rewards
    stay equal. p is 1/G, or the reference's probabilities normalised in the group, exp(``sum_logprob``) / sum. All mass
    goes to ``high`` from the best down and to ``low`` from the worst up; the one block of equal rewards where the two
    meet gets what is left of the mean.

    A uniform group, and one with a reward outside the bounds, keeps its rewards; negative ones are refused unless ``low``
    is negative. Where all rewards lie at the bounds, such as 0 and 1, nothing changes. With "reference" a sample without
    likelihood leaves as ``no_likelihood``, where its group trains.
    """
    if not low < high:
        raise ConfigError(f"low is {low} and high is {high}: low must be below high")

    def shape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        is_inside = (reward.min() >= low) & (reward.max() <= high)
        spread = low + (high - low) * spread_out((reward - low) / (high - low), _mass(probability))
        return pl.when(trains & is_inside & ~uniform(reward)).then(spread).otherwise(reward)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        reads = probability == "reference"
        return {"no_likelihood": trains & pl.col("sum_logprob").is_null()} if reads else {}

    return Shaping(shape, missing, rewards="non_negative" if low >= 0 else "real")


def spread_out(value: pl.Expr, mass: pl.Expr | None = None) -> pl.Expr:
    """Return the values in [0, 1] of the largest sum p v^2 that keep the mean sum p v, the order and ties of ``value``.

    A block of equal values with the mass A above it and B its own gets clip((sum p v - A) / B, 0, 1): of all (1 x k,
    a x (l - k), 0 x (n - l)) of that mean the sum grows with k and falls with l, so that k is the last block for which
    the mean has mass enough, and l the next. After the sort it is one pass. ``mass`` is p up to a factor, 1 each without
    it. Nulls stay null and have no mass. A group of one and a uniform group keep their values.
    """
    first, last = value.rank("min", descending=True), value.rank("max", descending=True)
    if mass is None:
        return ((value.sum() - (first - 1)) / (last - first + 1)).clip(0.0, 1.0)
    share = pl.when(value.is_not_null()).then(mass)
    running = share.sort_by(value, descending=True, nulls_last=True).cum_sum()
    above = running.shift(1, fill_value=0.0).gather(first - 1)
    shared = ((share * value).sum() - above) / (running.gather(last - 1) - above)
    # A block whose mass underflows to 0 beside the others takes any value without moving the mean.
    return shared.fill_nan(0.0).clip(0.0, 1.0)


def _mass(probability: Probability) -> pl.Expr | None:
    logprob = pl.col("sum_logprob")
    return (logprob - logprob.max()).exp() if probability == "reference" else None
