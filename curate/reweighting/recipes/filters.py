"""Recipes that are GRPO with a filter of groups or of rewards."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2503.14476"], max_tokens=20480, cache=4096)
def dapo(max_tokens: int, cache: int, factor: float = 0.5, eps: float = 1e-6) -> Recipe:
    """Standardise rewards with a soft punishment of overlong samples, in mixed groups alone.

    R = r + factor * p, p = 0 up to max_tokens - cache tokens, then linear to -1 at max_tokens, -1 beyond;
    A = (R - mean) / (std + eps). Mixed groups stand for dynamic sampling: the others were sampled, and are dropped. The
    paper has rewards of +1 and -1 and a factor of 1, max_tokens 20480 and cache 4096; with rewards of 1 and 0 the factor of
    0.5 gives its advantages, eps aside. factor 0 is grpo.

    The loss belongs to the trainer: ``curate train`` with its token mean (the default) and clipping at 0.2 and 0.28 is
    DAPO's. Reads ``n_tokens``; a sample without it is dropped as ``no_likelihood``.

    Pitfalls: A correct sample past max_tokens has R = 0.5, below the mean of a group that is mostly right, and gets a
    *negative* advantage. max_tokens is the limit that sampling had; with a larger one nothing is punished. To leave
    truncated samples out of the loss instead, put the gate drop_truncated before grpo.
    """
    return compose(estimators.grpo(eps), shape=[shaping.overlong(max_tokens, cache, factor)], gate=[gates.mixed()])


@register(source=["arXiv 2504.14286"], affine=True)
def srpo(eps: float = 1e-6) -> Recipe:
    """Leave out the prompts that are solved in every sample, and list what stays for the next epoch.

    A = (r - mean) / (std + eps). All-correct groups are dropped; all-wrong ones are kept, at an advantage of exactly 0,
    so that the kept rows name the prompts of the next epoch and the dropped ones say why they left. The list, for a
    dataset that is one epoch:

        SELECT s.prompt_id, a.group_id, bool_or(a.drop_reason IS NULL) AS kept,
               CASE WHEN kept THEN NULL ELSE min(a.drop_reason) END AS reason
        FROM advantages a JOIN samples s USING (group_id, sample_index)
        WHERE a.recipe = 'srpo' GROUP BY ALL ORDER BY ALL

    The paper's two stages of training data and its loss are not in here.

    Pitfalls: A solved prompt is not asked about again, though the policy may forget it. Samples that are kept at 0 cost
    the trainer time and, with a KL term, are not without effect: the gate mixed leaves them out.
    """
    return compose(estimators.grpo(eps), gate=[gates.drop_solved()])
