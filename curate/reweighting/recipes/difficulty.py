"""Recipes that weigh a group by how hard its prompt is."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2602.02710"])
def maxrl(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Centre the reward in its group and divide by the group's mean.

    A = (r - mean) / mean, 0 where the mean is 0: with rewards of 0 and 1 it climbs the log of the pass rate
    where GRPO climbs the rate. A correct sample gets (G - c) / c, a wrong one -1.

    All-wrong and all-correct groups give 0: they are dropped, or kept at 0 with ``keep_groups="all"``. Rewards of 0 or
    more; where a shaping makes the mean 0 or less, the group is kept at 0.

    Pitfalls: A lone success of a large group gets G - 1, without a bound: clip, or mind the step. Wrong samples get -1
    in every group, however hard.
    """
    return compose(estimators.maxrl(), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2602.06717"], gamma=1.0, affine=True)
def f_grpo(gamma: float, eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Standardise the reward in its group, and take the less of it the more often the group is correct.

    A = (r - mean) / (std + eps) * (1 - c/G)^gamma, c of G samples correct by their outcome. ``gamma`` at least 0; 0 is
    grpo. The factor is the shaping ``focal``, which goes with every estimator.

    All-wrong and all-correct groups give 0: they are dropped, or kept at 0 with ``keep_groups="all"``. Real rewards will
    do.

    Pitfalls: With gamma of 1 and more a group with one wrong sample hardly teaches: its wrong answer is pushed down
    1/G as much. The factor is of the whole group: it also takes from the wrong samples of easy prompts.
    """
    return compose(estimators.grpo(eps), shape=[shaping.focal(gamma)], gate=[gates.groups(keep_groups)])
