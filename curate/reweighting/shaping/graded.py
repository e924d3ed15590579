"""Graded reward: a wrong sample is graded by how far it got (arXiv 2505.11595)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.group import TOLERANCE, has_success
from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0, in_unit_interval

Scope = Literal["all_wrong", "all"]
Curve = Literal["logistic", "linear"]
NoError = Literal["null", "last_step"]


@shaping()
def graded(
    scope: Scope = "all_wrong",
    beta: float = 10.0,
    gamma: float = 0.5,
    curve: Curve = "logistic",
    graded_max: float = 1.0,
    damping: float = 1.0,
    one_sided: bool = False,
    min_spread: float = 0.0,
    no_error: NoError = "null",
    until_round: int | None = None,
    round: int | None = None,
) -> Shaping:
    """Grade wrong samples by how far they got, so that an all-wrong group still teaches (arXiv 2505.11595).

    R = graded_max / (1 + exp(-beta * (RTS - gamma))) or, with ``curve="linear"``, graded_max * RTS, for the wrong
    samples of all-wrong groups, with ``scope="all"`` of every group that trains; the others keep their reward. In
    all-wrong groups ``damping`` scales the advantage, ``one_sided`` clips it at <= 0, and an RTS range below
    ``min_spread`` makes the group degenerate. After ``until_round`` nothing is changed.
    A sample that is graded and has no RTS leaves as ``no_rts``.
    """
    _check(beta, graded_max, damping, min_spread)
    if until_round is not None and round is None:
        raise ConfigError(f"until_round={until_round} needs the round of this data: set round = 1, 2, ...")
    if until_round is not None and round is not None and round > until_round:
        return Shaping(lambda reward, trains: reward, rewards="binary", keep_groups="not_all_correct")
    rts = trajectory_score(no_error)

    def acts(trains: pl.Expr) -> pl.Expr:
        wrong = trains & ~CORRECT
        return wrong & ~has_success() if scope == "all_wrong" else wrong

    def reshape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        return pl.when(acts(trains)).then(grade(rts, beta, gamma, curve, graded_max)).otherwise(reward)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        return {"no_rts": acts(trains) & rts.is_null()}

    return Shaping(
        reshape,
        missing,
        after=lambda advantage: damp(advantage, ~has_success(), damping, one_sided),
        no_signal=_narrow(rts, min_spread) if min_spread else None,
        rewards="binary",
        keep_groups="not_all_correct",
    )


def trajectory_score(no_error: NoError) -> pl.Expr:
    """Read the RTS, (e - 1)/S in [0, 1]: e the 1-based first wrong step, S the number of steps (arXiv 2505.11595).

    Where the judge read the steps of an answer (``n_steps`` set) and found no error, RTS is null;
    ``no_error="last_step"`` puts the error on the last step instead: (S - 1)/S.
    """
    rts = pl.col("rts")
    if no_error == "null":
        return rts
    steps = pl.col("n_steps")
    found_none = rts.is_null() & pl.col("first_error_step").is_null() & (steps >= 1)
    return pl.when(found_none).then((steps - 1) / steps).otherwise(rts)


def grade(rts: pl.Expr, beta: float, gamma: float, curve: Curve, graded_max: float) -> pl.Expr:
    """Grade a wrong sample by its RTS, in [0, graded_max], increasing (arXiv 2505.11595).

    logistic: graded_max / (1 + exp(-beta * (RTS - gamma))); linear: graded_max * RTS. A null RTS gives null.
    ``linear`` and ``graded_max`` (1 in the paper) are ours.
    """
    if curve == "linear":
        return graded_max * rts
    return graded_max / (1 + (-beta * (rts - gamma)).exp())


def damp(advantage: pl.Expr, where: pl.Expr, factor: float, one_sided: bool) -> pl.Expr:
    """Scale the advantages of the groups where ``where`` is true by ``factor``; one-sided also clips them at <= 0."""
    if factor == 1.0 and not one_sided:
        return advantage
    damped = advantage * factor
    return pl.when(where).then(damped.clip(upper_bound=0.0) if one_sided else damped).otherwise(advantage)


def _narrow(rts: pl.Expr, min_spread: float) -> pl.Expr:
    """Say whether a group is all-wrong with an RTS range below ``min_spread``."""
    return ~has_success() & (rts.max() - rts.min() < min_spread - TOLERANCE).fill_null(False)


def _check(beta: float, graded_max: float, damping: float, min_spread: float) -> None:
    if beta <= 0:
        raise ConfigError(f"beta must be above 0, so that the reward increases in RTS, got {beta}")
    if graded_max <= 0:
        raise ConfigError(f"graded_max must be in (0, 1], got {graded_max}")
    in_unit_interval(graded_max=graded_max, min_spread=min_spread)
    at_least_0(damping=damping)
