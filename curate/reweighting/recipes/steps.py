"""Recipes that read how far a wrong sample got."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.recipes.likelihood import UNLIKELY
from curate.reweighting.registry import register
from curate.reweighting.shaping.graded import Curve, NoError, Scope
from curate.reweighting.shaping.unlikeliness import Among, RankBy, Ties

SPECTRAL = "arXiv 2505.11595"


@register(source=[SPECTRAL])
def spectral_grpo(
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
    eps: float = 1e-6,
    keep_groups: KeepGroups = "not_all_correct",
) -> Recipe:
    """Grade wrong samples by how far they got, so that an all-wrong group still teaches.

    R = r for a correct sample, for a wrong one graded_max / (1 + exp(-beta * (RTS - gamma))) or, with
    ``curve="linear"``, graded_max * RTS; A = (R - mean) / (std + eps). ``scope="all_wrong"`` grades only groups
    without a success (the paper's experiments), "all" every wrong sample (its equation). In all-wrong groups
    ``damping`` scales the advantage, ``one_sided`` clips it at <= 0, and an RTS range below ``min_spread`` makes the
    group degenerate. ``no_error="last_step"`` gives (S-1)/S where the judge found no error in a wrong sample (it reads
    ``n_steps`` and ``first_error_step``). With ``until_round`` say which ``round`` (from 1) the data is: later
    rounds train on the plain reward, as the paper does after 3 of 12 epochs.

    RTS is read for the wrong samples of the groups that are graded and train; elsewhere the shaped reward is the
    reward. beta 10 and gamma 0.5: the paper lists the two values in the other order.

    Pitfalls: The least bad sample of an all-wrong group gets a *positive* advantage of unit scale, though it is wrong;
    identical RTS give no signal.
    """
    grades = shaping.graded(
        scope, beta, gamma, curve, graded_max, damping, one_sided, min_spread, no_error, until_round, round
    )
    return compose(estimators.grpo(eps), shape=[grades], gate=[gates.groups(keep_groups)])


@register(source=[UNLIKELY, SPECTRAL, "ours"], beta_rank=0.25)
def unlikely_spectral(
    beta_rank: float,
    rank_by: RankBy = "mean",
    among: Among = "group",
    ties: Ties = "average",
    clamp_sign: bool = False,
    beta: float = 10.0,
    gamma: float = 0.5,
    curve: Curve = "logistic",
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

    Likelihoods are read in groups with a success that train, RTS in all-wrong groups.

    Pitfalls: Grading speeds up the loss of entropy and unlikeliness slows it: watch both. A group whose correct samples
    all left for want of a likelihood is not graded: it did have a success.
    """
    return compose(
        estimators.grpo(eps),
        shape=[
            shaping.unlikeliness(beta_rank, rank_by, among, ties, clamp_sign),
            shaping.graded("all_wrong", beta, gamma, curve, graded_max, damping, one_sided, min_spread, no_error),
        ],
        gate=[gates.groups(keep_groups)],
    )
