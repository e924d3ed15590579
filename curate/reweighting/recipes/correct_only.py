"""Recipes that train on correct samples alone."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2504.11343"])
def raft() -> Recipe:
    """Train on the correct samples alone, each by its own reward.

    A = max(r, 0) on correct samples; wrong ones are dropped as ``gated``, and counted in the group as they are. No
    group statistics: a group of one correct sample and an all-correct group train, an all-wrong group is dropped.
    With rewards of 0 and 1 every advantage is 1: on reference solutions this is supervised training.

    Pitfalls: A prompt that is often solved weighs more than a hard one, and nothing pushes wrong answers down: the
    policy sharpens fast. A correct sample of a reward of 0 or less is kept at advantage 0.
    """
    return compose(estimators.raft(), shape=[shaping.positive()], gate=[gates.not_all_wrong()])
