"""Recipes that compare a sample with its group."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2402.03300"], affine=True)
def grpo(eps: float = 1e-6, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Standardise the reward in its group.

    A = (r - mean) / (std + eps), std with ddof 1. eps 1e-6 is verl's; TRL has 1e-4, OpenRLHF 1e-9.

    Pitfalls: It sharpens what is already likely, and learns nothing where every sample failed. Dividing by the std makes a
    lone success of G weigh (G-1)/sqrt(G), and groups that are nearly all right or wrong weigh more than others.
    """
    return compose(estimators.grpo(eps), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2503.20783"], affine=True)
def dr_grpo(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Centre the reward in its group, without scaling.

    A = r - mean. The other half of the method, a loss divided by a constant length, belongs to the trainer.

    Pitfalls: Without the std nearly solved and nearly failed groups hardly teach: a lone success of G has 1 - 1/G, its
    group's others -1/G. The scale of the rewards is that of the step.
    """
    return compose(estimators.dr_grpo(), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2402.14740"], affine=True)
def rloo(keep_groups: KeepGroups = "mixed") -> Recipe:
    """Compare the reward with the mean reward of the *other* samples of its group.

    A_i = r_i - mean of the others = G/(G-1) * (r_i - mean).

    Pitfalls: At a fixed G it is dr_grpo at a larger step: it weighs groups differently only where they differ in size.
    """
    return compose(estimators.rloo(), gate=[gates.groups(keep_groups)])
