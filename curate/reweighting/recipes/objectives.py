"""Recipes for several objectives: the verifier's reward and a judge's scores."""

from __future__ import annotations

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.estimators.reinforce_pp import Over
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register
from curate.reweighting.shaping.objectives import EXAMPLE


@register(source=["arXiv 2503.21819", "ours"], weights=EXAMPLE)
def multi_objective(weights: dict[str, float], eps: float = 1e-6, keep_groups: KeepGroups = "all") -> Recipe:
    """Add up the reward and the judge's scores, then standardise the sum.

    R = sum_k w_k r_k; A = (R - mean) / (std + eps). ``weights`` names the objectives: "reward" is the verifier's, any other
    name one of the judge's scores (column ``score_NAME``). The rule by which the paper combines its objectives is not
    public: this is the plain order of the two, TRL's sum_then_normalize; gdpo is the other.

    All groups train: a judge's scores tell samples apart in all-wrong and all-correct ones too. Reads the scores named; a
    sample that lacks one is dropped as ``no_score``.

    Pitfalls: Objectives of a larger spread drown the others, whatever their weights: scores of 0 to 10 beside a reward of
    0 and 1. Different rewards of one sum get the same advantage.
    """
    return compose(estimators.grpo(eps), shape=[shaping.sum_then_normalise(weights)], gate=[gates.groups(keep_groups)])


@register(source=["arXiv 2601.05242"], weights=EXAMPLE)
def gdpo(
    weights: dict[str, float],
    over: Over = "samples",
    eps: float = 1e-6,
    eps_whiten: float = 1e-8,
    keep_groups: KeepGroups = "all",
) -> Recipe:
    """Standardise the reward and each of the judge's scores in the group, add them up, then whiten over the dataset.

    R = sum_k w_k (r_k - mean) / (std + eps) with mean and std (ddof 1) of the group; A = (R - mean) / sqrt(var + eps_whiten)
    over all samples that train, or over their tokens (``over="tokens"``, as verl). ``weights`` as in multi_objective. TRL
    divides by std + 1e-4 in both places. An objective that is uniform in a group adds exactly 0 there.

    All groups train; one without any signal is kept at 0 and counts in the variance, as published. Reads the scores
    named; a sample that lacks one is dropped as ``no_score``.

    Pitfalls: Every objective counts alike where it varies at all: a judge's noise in an all-correct group becomes an
    advantage of unit size. Every part depends on all parts.
    """
    return compose(
        estimators.whiten(over, eps_whiten),
        shape=[shaping.normalise_then_sum(weights, eps)],
        gate=[gates.groups(keep_groups)],
    )
