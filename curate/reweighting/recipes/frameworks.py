"""Presets that give the advantages of a framework's trainer, for comparison with its runs.

They differ from each other in eps, in what std they divide by, and in groups of one. Not mimicked by any: a reward that
is not there counted as 0 (the sample is dropped as ``unjudged``), noise made of equal rewards (exactly 0 here). What a
framework calls a batch, one step's samples, is the dataset here.
"""

from __future__ import annotations

from curate.reweighting import estimators, gates
from curate.reweighting.compose import compose
from curate.reweighting.estimators.frameworks import ScaleRewards
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register


@register(source=["arXiv 2402.03300", "huggingface/trl v1.16 GRPOTrainer"], affine=True)
def trl_grpo(scale_rewards: ScaleRewards = "group") -> Recipe:
    """Give the advantages of TRL's GRPOTrainer.

    A = (r - mean of the group) / (std + 1e-4), std with ddof 1 of the group; ``scale_rewards="batch"`` takes the std of
    all judged rewards of the dataset, "none" does not scale.

    Every group is kept, as there: uniform ones, and groups of one, at an advantage of exactly 0.

    Pitfalls: rows of advantage 0 cost training time and, where the loss is a mean over samples, shrink the others: grpo
    drops them. With "batch" every part depends on all parts.
    """
    return compose(estimators.trl_grpo(scale_rewards), gate=[gates.all_()])


@register(source=["arXiv 2402.14740", "huggingface/trl v1.16 RLOOTrainer"], affine=True)
def trl_rloo(normalize_advantages: bool = False) -> Recipe:
    """Give the advantages of TRL's RLOOTrainer.

    A = r - mean of the others; with ``normalize_advantages`` (A - mean) / (std + 1e-4), mean and std (ddof 1) over the
    dataset. The KL that TRL takes off the reward by default belongs to the trainer here: its beta is 0.

    Every group is kept, as there: uniform ones, and groups of one, at an advantage of exactly 0.

    Pitfalls: as trl_grpo. With normalize_advantages every part depends on all parts.
    """
    return compose(estimators.trl_rloo(normalize_advantages), gate=[gates.all_()])


@register(source=["arXiv 2402.03300", "volcengine/verl v0.9.1 compute_grpo_outcome_advantage"])
def verl_grpo(norm_adv_by_std_in_grpo: bool = True) -> Recipe:
    """Give the advantages of verl's grpo.

    A = (r - mean) / (std + 1e-6), std with ddof 1, or r - mean with ``norm_adv_by_std_in_grpo`` false.

    Every group is kept, as there: uniform ones at exactly 0; a group of one has mean 0 and std 1, so that its advantage
    is its reward / (1 + 1e-6), or its reward.

    Pitfalls: a group of one trains on its bare reward: such groups push easy prompts up. verl counts a reward that is not
    there as 0.
    """
    return compose(estimators.verl_grpo(norm_adv_by_std_in_grpo), gate=[gates.all_()])


@register(source=["arXiv 2402.03300", "OpenRLHF group_norm"], affine=True)
def openrlhf_grpo() -> Recipe:
    """Give the advantages of OpenRLHF's group_norm.

    A = (r - mean) / (std + 1e-9), std with ddof 1.

    Uniform groups are kept at exactly 0, as there; it refuses groups of one, which are dropped as ``singleton`` here.

    Pitfalls: at eps 1e-9 rewards that are equal but for float32 noise get an advantage of unit size there; here they have
    none.
    """
    return compose(estimators.openrlhf_grpo(), gate=[gates.all_()])
