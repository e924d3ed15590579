"""Recipes that read how likely the reference finds a sample's answer."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2506.16141", "TencentARC/GRPO-CARE@03c3a7c"])
def grpo_care(
    lambda_care: float = 0.5, cap: float = 0.95, margin: float = 0.01, least: float = 0.1, eps: float = 1e-4
) -> Recipe:
    """Reward the accurate samples whose answer follows from their reasoning, in the eyes of a reference.

    conf = min(exp(answer_mean_logprob), cap); S = samples with a reward above ``least`` and at least the group's mean;
    those of S with conf >= mean conf over S - margin get R = r + lambda_care * r, all others R = r;
    A = (R - mean) / (std + eps). lambda_care 0 is grpo. The scorer named by ``--scorer`` is the reference; the paper's
    is a moving average of the policy, which stored data has no place for.

    All-wrong groups are dropped; all-correct ones train where the bonus tells their samples apart. No answer found in a
    scored sample is conf 0; the released code gives it the cap. Reads answer_mean_logprob and mean_logprob: without
    them an accurate sample is dropped as ``no_likelihood``, as are all of a group of whose accurate samples none has
    an answer scored.

    Pitfalls: With binary rewards a mixed group's correct samples below the mean confidence lose: at G = 8 with 7
    correct, 3 of them with the bonus, the other 4 get a *negative* advantage. A margin above the spread of
    confidences pays everybody, which grpo's std then takes back.
    """
    return compose(
        estimators.grpo(eps), shape=[shaping.care(lambda_care, cap, margin, least)], gate=[gates.not_all_wrong()]
    )
