"""Recipes that change how far the rewards of a group lie apart."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register
from curate.reweighting.shaping.variance import Probability


@register(source=["arXiv 2505.23247"])
def grpovi(
    low: float = 0.0,
    high: float = 1.0,
    probability: Probability = "uniform",
    eps: float = 1e-6,
    keep_groups: KeepGroups = "mixed",
) -> Recipe:
    """Spread a group's rewards as far as their mean, order and bounds allow, then standardise.

    R maximises sum p_i R_i^2 with sum p_i R_i = sum p_i r_i, the order of r, and low <= R <= high;
    A = (R - mean) / (std + eps). p is 1/G, or the reference's probabilities normalised in the group
    (``probability="reference"``: the scorer's sum_logprob). (.9, .8, .75, .7, .6, .4, .3, .1) becomes
    (1, 1, 1, 1, .55, 0, 0, 0).

    Equal rewards stay equal; a uniform group, and one with a reward outside the bounds, keeps its rewards. Whether a
    group is mixed is read off the outcomes.

    Pitfalls: Rewards of 0 and 1 are as far apart as can be: on those this is grpo. Small differences of a noisy reward
    become the whole range. With "reference" one sample often has nearly all of the probability, and its block alone
    decides the mean.
    """
    spread = shaping.variance_increase(low, high, probability)
    return compose(estimators.grpo(eps), shape=[spread], gate=[gates.groups(keep_groups)])
