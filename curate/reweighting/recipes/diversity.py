"""Recipes that read how rare a sample's strategy is."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2509.02534", "ours"], lambda_div=0.5)
def diverse_grpo(lambda_div: float, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Reward the correct samples whose strategy is rare in their group.

    R = r * (1 + lambda_div * diversity) for a correct sample, r for a wrong one; A = R - mean, without scaling (a std
    would take most of the bonus back). ``lambda_div`` at least 0; 0 is dr_grpo. diversity is the share of the group
    outside the sample's strategy cluster, from a judge or a rule. In the spirit of DARLING, the form is ours.

    Diversity is read for the correct samples of groups that train; one without it is dropped as ``no_diversity`` and
    leaves the group's mean. A group of one strategy gets the factor 1 + lambda_div * (share that is wrong): its
    advantages grow, their order does not change.

    Pitfalls: ``keep_groups="all"`` trains all-correct groups on diversity alone, where every common strategy gets a
    *negative* advantage; in mixed groups a common one gets that too where nearly all are correct and lambda_div is
    large. A judge that calls every sample its own strategy pays each of them alike.
    """
    return compose(estimators.dr_grpo(), shape=[shaping.diversity(lambda_div)], gate=[gates.groups(keep_groups)])
