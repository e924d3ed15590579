"""Recipes for questions with several right options."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2505.24718", "longmalongma/TW-GRPO@3abc3c3"])
def multi_choice_grpo(eps: float = 1e-6) -> Recipe:
    """Pay a share of the reward for a part of the right options, then standardise: TW-GRPO's reward.

    R = 1 for the right options, |given| / |right| where the options given are some of the right ones, 0 where one is
    wrong; A = (R - mean) / (std + eps). Options are what commas divide in the verdict's ``extracted`` and the prompt's
    ``answer``. Its token weights are another recipe's.

    A group trains where its shaped rewards differ: an all-wrong one too, if a sample found a part. Reads extracted and
    answer: a verifier is needed that extracts the options, not the whole completion. A sample of a prompt without an
    answer is dropped as ``unjudged``.

    Pitfalls: Naming one safe option pays: guessing is never rewarded more than leaving out. A sample whose outcome is
    correct has R = 1 whatever its text.
    """
    return compose(estimators.grpo(eps), shape=[shaping.multi_choice()], gate=[gates.mixed(gate_on="shaped")])
