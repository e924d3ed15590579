"""Recipes that whiten over the whole dataset."""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.estimators.reinforce_pp import Over
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register

REINFORCE_PP = "arXiv 2501.03262"


@register(source=[REINFORCE_PP], affine=True)
def reinforce_pp(over: Over = "tokens", eps: float = 1e-8, keep_groups: KeepGroups = "all") -> Recipe:
    """Compare the reward with all rewards of the dataset.

    A = (r - mean) / sqrt(var + eps); mean and var (ddof 1) over all samples that train, a sample counting once for each
    of its tokens with ``over="tokens"`` (verl, OpenRLHF), once with "samples". eps 1e-8 is verl's, inside the root. The
    KL that the paper takes off the reward belongs to the trainer.

    No group statistics: a group of one trains, an all-wrong group gets a negative advantage, an all-correct one a
    positive. A dataset of one reward gives 0. Reads ``n_tokens`` with ``over="tokens"``; a sample without it is dropped
    as ``no_likelihood``.

    Pitfalls: Every part depends on all parts: one that is added or changed makes the others stale. Easy prompts are
    pushed up and hard ones down as a whole. Samples that are dropped are not in the mean.
    """
    return compose(estimators.reinforce_pp(over, eps), gate=[gates.groups(keep_groups)])


@register(source=[REINFORCE_PP], affine=True)
def reinforce_pp_baseline(over: Over = "tokens", eps: float = 1e-8, keep_groups: KeepGroups = "mixed") -> Recipe:
    """Centre the reward in its group, then whiten over the dataset.

    B = r - mean of the group; A = (B - mean) / sqrt(var + eps), mean and var (ddof 1) over all samples that train, by
    tokens or by samples as in reinforce_pp. eps 1e-8 is verl's, inside the root.

    All-wrong and all-correct groups have B = 0: they are dropped, or kept at 0 with ``keep_groups="all"``, where they
    count in the variance as the published code has it. Reads ``n_tokens`` with ``over="tokens"``.

    Pitfalls: Every part depends on all parts: one that is added or changed makes the others stale. Over tokens the mean
    of B is not 0 where wrong answers are longer: a sample at its group's mean then gets an advantage.
    """
    return compose(estimators.reinforce_pp_baseline(over, eps), gate=[gates.groups(keep_groups)])
