"""Recipes that teach from all-wrong groups without a judge."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2509.18851"])
def ngrpo(r_max: float = 1.0, eps: float = 1e-6, keep_groups: KeepGroups = "not_all_correct") -> Recipe:
    """Standardise the reward over its group and one virtual sample of the best reward there is.

    A = (r - mean) / (std + eps), mean and std over the G rewards and one of ``r_max``. std with ddof 1, as the paper's
    worked example has it (1 of 8 correct: 1.76 and -.50); its equation says population std.

    An all-wrong group gets -1 / sqrt(G + 1) for every sample; an all-correct one 0: it is dropped, or kept at 0 with
    ``keep_groups="all"``. A group of one is dropped. The paper's clip, wider for negative advantages, belongs to the
    trainer. Real rewards will do: ``r_max`` is then the best that the verifier gives.

    Pitfalls: All samples of an all-wrong group are pushed down alike, the best and the worst, and nothing is
    pushed up against it: with many hard prompts the mean advantage is negative. Rewards of +-1 with ``r_max`` 1 give
    what 0/1 gives; an ``r_max`` below the verifier's best is one more failure instead.
    """
    return compose(estimators.ngrpo(r_max, eps), gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2510.08696"])
def lens(alpha: float = 0.25, eps: float = 1e-6, keep_groups: KeepGroups = "not_all_correct") -> Recipe:
    """Take reward from wrong samples by the policy's confidence in them, so that an all-wrong group still teaches.

    R = r - (1 - r) / G * p / (D - p), p = exp(mean_logprob). Mixed groups: D = max(D_imp, 2 max p), D_imp = 1 / mean(r / p),
    and A = (R - mean) / (std + eps). All-wrong groups: D = 2 max p, and A = alpha * (R - mean), without the std. The
    paper writes D_imp with the policy's probability of the answer; that of a whole answer underflows, so it is p here
    too (our reading).

    An all-correct group has no penalty and gives 0: it is dropped, or kept at 0 with ``keep_groups="all"``; so is an
    all-wrong group of equal likelihoods. Binary rewards. A sample without ``mean_logprob`` leaves as ``no_likelihood``,
    where its group trains and has a wrong sample; a group whose correct samples all left for that is not taken for an
    all-wrong one.

    Pitfalls: The least confident sample of an all-wrong group gets a *positive* advantage, though it is wrong. The
    penalty is at most 1/G: in large mixed groups it hardly differs from grpo. Log-probs of another policy or temperature
    than the samples' are no confidence.
    """
    return compose(estimators.lens(alpha, eps), shape=[shaping.confidence()], gate=[gates.groups(keep_groups)])
