"""Recipes that differ from the plain group mean in what they take away, or in one factor for all."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.estimators.gpg import Alpha
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2505.23585"], affine=True)
def opo(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Take the mean reward weighted by length off the reward.

    A_i = r_i - sum(n_j r_j) / sum(n_j), n = ``n_tokens``: the baseline of least variance where gradients grow with
    length. Real rewards will do.

    All-wrong and all-correct groups give 0: they are dropped, or kept at 0 with ``keep_groups="all"``. A sample without
    ``n_tokens`` leaves its group as ``no_likelihood``. A group in which nothing has a token takes the plain mean (ours).

    Pitfalls: Advantages do not sum to 0 over the samples of a group, but over its tokens. It is meant for a loss that
    sums over tokens; one that takes the mean of each sample undoes it. n counts the tokens that train, so a template or
    tool output in the completion is not in it.
    """
    return compose(estimators.opo(), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2504.02546"], affine=True)
def gpg(alpha: Alpha = "official", keep_groups: KeepGroups = "mixed") -> Recipe:
    """Centre the reward in its group, and make up for the samples that have no signal.

    A = alpha * (r - mean). ``alpha="official"``: B / (B - M), B samples of the dataset that take part, M of them in
    groups of equal rewards; "verl": B / (number of rewards that are not 0), as verl 0.9.1. Real rewards will do.

    B, M and the number of rewards are of the whole dataset, where the paper and verl have those of a batch. All-wrong
    and all-correct groups give 0 and count in B and M, dropped or not; so does a group of one. A dataset without a
    signal has the divisor 1.

    Pitfalls: alpha makes up for a mean over all B samples. Where the groups without a signal are dropped, the trainer's
    mean is over the others and alpha is there twice: harmless under Adam, a larger step without; ``keep_groups="all"``
    is the published batch. "verl" counts rewards, not groups: with 0/1 rewards it is 1 / pass rate, and with +-1 always
    1. Every part depends on all parts: one that is added or changed makes the others stale.
    """
    return compose(estimators.gpg(alpha), gate=[gates.groups(keep_groups)])
