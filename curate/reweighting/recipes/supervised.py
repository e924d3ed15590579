"""Recipes of rows to imitate: advantage 1, and a weight; meant for ``curate train --objective sft``."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2404.14367"], temperature=1.0)
def rwr(temperature: float) -> Recipe:
    """Imitate every judged sample, the more the higher its reward.

    A = 1, weight = exp(r / temperature), not normalised, for any real reward; ``temperature`` above 0, in units of the
    reward. With rewards of 0 and 1 a correct sample weighs e^(1/temperature) times a wrong one. The exponent is cut at
    60, so that a trainer's float32 sums stay finite. No group statistics: groups of one, all-wrong and all-correct ones train.

    Pitfalls: wrong samples are imitated too, at temperature 1 with 27 % of the mass of an evenly mixed group; a low
    temperature turns this into training on the correct ones alone.
    """
    return compose(estimators.rwr(temperature), gate=[gates.all_()])


@register(source=["arXiv 2404.14367"], n=4)
def best_of_n(n: int) -> Recipe:
    """Imitate the best of n samples of a prompt.

    A = 1, weight = the chance that the sample is the best of a random n of its group of G, ties broken evenly:
    (C(m, n) - C(l, n)) / C(G, n) / t, with l samples worse, t equally good, m = l + t. The mean over all draws of n in
    place of one draw is ours: no order of the samples matters, and all of them are used. Wrong samples never train, and
    are ``gated``; with rewards of 0 and 1 a correct one weighs pass@n / c. A group smaller than n counts as n = G. An
    all-wrong group is dropped, an all-correct one weighs 1 in all.

    Pitfalls: every solved prompt weighs about the same; n = 1 is the mean over the group.
    """
    return compose(estimators.best_of_n(n), gate=[gates.not_all_wrong()])


@register(source=["arXiv 2404.14367"], k=4)
def top_k(k: int) -> Recipe:
    """Imitate the k best samples of each group.

    A = 1; weight 1, or where more equally good samples want the last places than there are, an equal share of them:
    min(1, max(0, (k - b) / t)) with b better and t equally good ones. Sharing in place of a draw is ours. Wrong samples
    never train, and are ``gated``. A group of fewer than k correct ones trains on those; an all-wrong group is dropped.

    Pitfalls: with rewards of 0 and 1 all correct samples share k places.
    """
    return compose(estimators.top_k(k), gate=[gates.not_all_wrong()])


@register(source=["arXiv 2507.02834"])
def expo(weight: float = 0.04) -> Recipe:
    """Imitate a policy's own explanations of right answers, for groups where it had no success of its own.

    For a dataset of `curate explain`: its correct samples are explanations, sampled with the answer shown and trained
    without. A = 1, weight 0.04 on them, the paper's factor of this term beside the policy's loss; wrong samples are
    ``gated``, a group without a correct one is dropped. Pairs of the same samples are the recipe ``expo`` of `curate pairs`.

    Pitfalls: alone in a training run the weight only scales the learning rate; on a dataset of other samples this is
    training on the correct ones.
    """
    return compose(estimators.expo(weight), gate=[gates.not_all_wrong()])
