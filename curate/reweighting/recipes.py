"""The recipes: each a function of its parameters that returns a ``Recipe``.

They share the rules of ``apply``: a null reward is not judged and leaves the group; a group of one is dropped as
``singleton``, but not by recipes without group statistics (raft); a group whose shaped rewards are uniform is dropped
as ``degenerate`` (kept at advantage exactly 0 by ``keep_groups="all"``); a wrong parameter raises ConfigError.
"Correct" comes from the outcome alone.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.estimators import center, clamp_correct, damp, leave_one_out, standardize
from curate.reweighting.gates import N_CORRECT, TOLERANCE, KeepGroups, can_train, drop_reason, has_success, uniform
from curate.reweighting.recipe import CORRECT, REWARD, Recipe
from curate.reweighting.registry import register
from curate.reweighting.shaping import (
    Among,
    NoError,
    RankBy,
    Shape,
    Ties,
    graded,
    ranked_likelihood,
    trajectory_score,
    unlikeliness,
)

GateOn = Literal["outcome", "shaped"]
Scale = Literal["std", "none"]
Scope = Literal["all_wrong", "all"]

_GRPO = "arXiv 2402.03300"
_UNLIKELY = "arXiv 2506.02355"
_SPECTRAL = "arXiv 2505.11595"


@register(rewards="real", source=[_GRPO])
def grpo(eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Standardise the reward in its group.

    A = (r - mean) / (std + eps), std with ddof 1. eps 1e-6 is verl's; TRL has 1e-4, OpenRLHF 1e-9.
    """
    _at_least_0(eps=eps)
    return Recipe(
        shaped=REWARD,
        advantage=standardize(eps),
        degenerate=uniform(),
        drop=drop_reason(keep_groups),
        keep_degenerate=keep_groups == "all",
    )


@register(rewards="real", source=["arXiv 2503.20783"])
def dr_grpo(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Centre the reward in its group, without scaling.

    A = r - mean. The other half of the method, a loss divided by a constant length, belongs to the trainer.
    """
    return Recipe(
        shaped=REWARD,
        advantage=center,
        degenerate=uniform(),
        drop=drop_reason(keep_groups),
        keep_degenerate=keep_groups == "all",
    )


@register(rewards="real", source=["arXiv 2402.14740"])
def rloo(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Compare the reward with the mean reward of the *other* samples of its group.

    A_i = r_i - mean of the others = G/(G-1) * (r_i - mean).
    """
    return Recipe(
        shaped=REWARD,
        advantage=leave_one_out,
        degenerate=uniform(),
        drop=drop_reason(keep_groups),
        keep_degenerate=keep_groups == "all",
    )


@register(rewards="real", source=["arXiv 2504.11343"])
def raft() -> Recipe:
    """Train on the correct samples alone, each by its own reward.

    A = max(r, 0) on correct samples; wrong ones are dropped as ``gated``, and counted in the group as they are. No
    group statistics: a group of one correct sample and an all-correct group train, an all-wrong group is dropped.
    With rewards of 0 and 1 every advantage is 1: on reference solutions this is supervised training.

    A prompt that is often solved weighs more than a hard one, and nothing pushes wrong answers down: the policy
    sharpens fast. A correct sample of a reward of 0 or less is kept at advantage 0.
    """
    return Recipe(
        shaped=REWARD.clip(lower_bound=0.0),
        advantage=lambda shaped: shaped,
        degenerate=pl.lit(False),
        drop=pl.when(N_CORRECT == 0).then(pl.lit("all_wrong")),
        gate=pl.when(~CORRECT).then(pl.lit("gated")),
        needs_group=False,
    )


@register(rewards="binary", source=[_UNLIKELY], beta_rank=0.25)
def unlikely_grpo(
    beta_rank: float,
    rank_by: RankBy = "mean",
    among: Among = "group",
    ties: Ties = "average",
    gate_on: GateOn = "outcome",
    scale: Scale = "std",
    clamp_sign: bool = False,
    eps: float = 1e-6,
    keep_groups: KeepGroups = "mixed",
) -> Recipe:
    """Take reward from the correct samples that the policy was likely to give anyway.

    R = r * (1 - beta_rank * (G - rank) / G), rank 1 = most likely; A = (R - mean) / (std + eps), or R - mean with
    ``scale="none"``. ``beta_rank`` in [0, 1]; 0 is grpo, the paper has 0.25 at G = 32. ``rank_by="mean"`` (token mean)
    is the authors' code, "sum" their text. ``among="correct"`` (ours) ranks the correct samples only, G their number.
    ``clamp_sign`` (ours) lifts the advantage of correct samples to at least 0.

    Likelihoods are read where a group trains and has a success; elsewhere the shaped reward is the reward. With one
    correct sample the std cancels the penalty: its advantage is (G-1)/sqrt(G) at any rank. At G = 32, beta_rank 0.25
    likely correct samples get a *negative* advantage once 28 are correct.
    """
    _in_unit_interval(beta_rank=beta_rank)
    _at_least_0(eps=eps)
    acts = has_success() & can_train("all" if gate_on == "shaped" else keep_groups)
    shaped, unranked = _unlikely(acts, beta_rank, rank_by, among, ties)
    estimate = standardize(eps) if scale == "std" else center
    return Recipe(
        missing={"no_likelihood": unranked},
        shaped=shaped,
        advantage=lambda shaped: clamp_correct(estimate(shaped)) if clamp_sign else estimate(shaped),
        degenerate=uniform(),
        drop=drop_reason(keep_groups, uniform() if gate_on == "shaped" else None),
        keep_degenerate=keep_groups == "all",
    )


@register(rewards="binary", source=[_UNLIKELY, "AndreHe02/rewarding-unlikely-release@ca1cff0"])
def he2025_release() -> Recipe:
    """Mimic the released code of "Rewarding the Unlikely": a preset of unlikely_grpo.

    beta_rank 0.25, ranks of the whole group by the token mean, ties by index, gate on outcomes, eps 1e-6, no clamp.
    """
    return unlikely_grpo(
        beta_rank=0.25, rank_by="mean", among="group", ties="index", gate_on="outcome", clamp_sign=False
    )


@register(rewards="binary", source=[_SPECTRAL])
def spectral_grpo(
    scope: Scope = "all_wrong",
    beta: float = 10.0,
    gamma: float = 0.5,
    shape: Shape = "logistic",
    graded_max: float = 1.0,
    damping: float = 1.0,
    one_sided: bool = False,
    min_spread: float = 0.0,
    no_error: NoError = "null",
    until_round: int | None = None,
    round: int | None = None,
    eps: float = 1e-6,
    keep_groups: KeepGroups = "not_all_correct",
) -> Recipe:
    """Grade wrong samples by how far they got, so that an all-wrong group still teaches.

    R = r for a correct sample, for a wrong one graded_max / (1 + exp(-beta * (RTS - gamma))) or, with
    ``shape="linear"``, graded_max * RTS; A = (R - mean) / (std + eps). ``scope="all_wrong"`` grades only groups
    without a success (the paper's experiments), "all" every wrong sample (its equation). In all-wrong groups
    ``damping`` scales the advantage, ``one_sided`` clips it at <= 0, and an RTS range below ``min_spread`` makes the
    group degenerate. ``no_error="last_step"`` gives (S-1)/S where the judge found no error in a wrong sample (it reads
    ``n_steps`` and ``first_error_step``). With ``until_round`` say which ``round`` (from 1) the data is: later
    rounds train on the plain reward, as the paper does after 3 of 12 epochs.

    RTS is read for the wrong samples of the groups that are graded and train; elsewhere the shaped reward is the
    reward. The least bad sample of an all-wrong group gets a *positive* advantage of unit scale, though it is wrong;
    identical RTS give no signal. beta 10 and gamma 0.5: the paper lists the two values in the other order.
    """
    _check_grading(beta, graded_max, damping, min_spread)
    _at_least_0(eps=eps)
    if until_round is not None and round is None:
        raise ConfigError(f"until_round={until_round} needs the round of this data: set round = 1, 2, ...")
    if until_round is not None and round is not None and round > until_round:
        return grpo(eps=eps, keep_groups=keep_groups)
    rts = trajectory_score(no_error)
    acts = can_train(keep_groups) & ~CORRECT
    if scope == "all_wrong":
        acts = acts & ~has_success()
    no_signal = _no_signal(rts, min_spread)
    return Recipe(
        missing={"no_rts": acts & rts.is_null()},
        shaped=pl.when(acts).then(graded(rts, beta, gamma, shape, graded_max)).otherwise(REWARD),
        advantage=lambda shaped: damp(standardize(eps)(shaped), ~has_success(), damping, one_sided),
        degenerate=no_signal,
        drop=drop_reason(keep_groups),
        keep_degenerate=keep_groups == "all",
    )


@register(rewards="binary", source=[_UNLIKELY, _SPECTRAL, "ours"], beta_rank=0.25)
def unlikely_spectral(
    beta_rank: float,
    rank_by: RankBy = "mean",
    among: Among = "group",
    ties: Ties = "average",
    clamp_sign: bool = False,
    beta: float = 10.0,
    gamma: float = 0.5,
    shape: Shape = "logistic",
    graded_max: float = 1.0,
    damping: float = 0.25,
    one_sided: bool = False,
    min_spread: float = 0.0,
    no_error: NoError = "null",
    eps: float = 1e-6,
    keep_groups: KeepGroups = "not_all_correct",
) -> Recipe:
    """Reward the unlikely where a group has successes, and grade the samples where it has none (ours).

    R as in unlikely_grpo in groups with a success, as in spectral_grpo in all-wrong groups; one normalisation
    A = (R - mean) / (std + eps), times ``damping`` in all-wrong groups. Parameters as there.

    Likelihoods are read in groups with a success that train, RTS in all-wrong groups. Grading speeds up the loss
    of entropy and unlikeliness slows it: watch both. A group whose correct samples all left for want of a likelihood
    is not graded: it did have a success.
    """
    _in_unit_interval(beta_rank=beta_rank)
    _check_grading(beta, graded_max, damping, min_spread)
    _at_least_0(eps=eps)
    trains = can_train(keep_groups)
    reworded, unranked = _unlikely(has_success() & trains, beta_rank, rank_by, among, ties)
    rts = trajectory_score(no_error)
    grades = ~has_success() & trains
    no_signal = _no_signal(rts, min_spread)

    def advantage(shaped: pl.Expr) -> pl.Expr:
        standardized = standardize(eps)(shaped)
        signed = clamp_correct(standardized) if clamp_sign else standardized
        return damp(signed, ~has_success(), damping, one_sided)

    return Recipe(
        missing={"no_likelihood": unranked, "no_rts": grades & rts.is_null()},
        shaped=pl.when(grades).then(graded(rts, beta, gamma, shape, graded_max)).otherwise(reworded),
        advantage=advantage,
        degenerate=no_signal,
        drop=drop_reason(keep_groups),
        keep_degenerate=keep_groups == "all",
    )


def _unlikely(acts: pl.Expr, beta_rank: float, rank_by: RankBy, among: Among, ties: Ties) -> tuple[pl.Expr, pl.Expr]:
    """Shape the reward where ``acts``, and say which samples the ranking needs but cannot place."""
    likelihood = ranked_likelihood(rank_by, among)
    shaped = pl.when(acts & CORRECT).then(REWARD * unlikeliness(likelihood, beta_rank, ties)).otherwise(REWARD)
    ranked = acts & CORRECT if among == "correct" else acts
    return shaped, ranked & pl.col(f"{rank_by}_logprob").is_null()


def _no_signal(rts: pl.Expr, min_spread: float) -> pl.Expr:
    """Say whether a group is uniform, or all-wrong with an RTS range below ``min_spread``."""
    if min_spread == 0.0:
        return uniform()
    narrow = (rts.max() - rts.min() < min_spread - TOLERANCE).fill_null(False)
    return uniform() | (~has_success() & narrow)


def _check_grading(beta: float, graded_max: float, damping: float, min_spread: float) -> None:
    if beta <= 0:
        raise ConfigError(f"beta must be above 0, so that the reward increases in RTS, got {beta}")
    if graded_max <= 0:
        raise ConfigError(f"graded_max must be in (0, 1], got {graded_max}")
    _in_unit_interval(graded_max=graded_max, min_spread=min_spread)
    _at_least_0(damping=damping)


def _in_unit_interval(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be in [0, 1], got {value}")


def _at_least_0(**values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise ConfigError(f"{name} must be at least 0, got {value}")
