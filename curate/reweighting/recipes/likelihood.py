"""Recipes that read how likely a sample was."""

from __future__ import annotations

from typing import Literal

from curate.reweighting import estimators, gates, shaping
from curate.reweighting.compose import compose
from curate.reweighting.gates.outcomes import GateOn
from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import register
from curate.reweighting.shaping.unlikeliness import Among, RankBy, Ties
from curate.reweighting.values import at_least_0

Scale = Literal["std", "none"]

UNLIKELY = "arXiv 2506.02355"


@register(source=[UNLIKELY], beta_rank=0.25)
def unlikely_grpo(
    beta_rank: float,
    rank_by: RankBy = "mean",
    among: Among = "group",
    ties: Ties = "average",
    gate_on: GateOn = "outcome",
    scale: Scale = "std",
    clamp_sign: bool = False,
    eps: float = 1e-6,
    keep_groups: KeepGroups = "mixed",
) -> Recipe:
    """Take reward from the correct samples that the policy was likely to give anyway.

    R = r * (1 - beta_rank * (G - rank) / G), rank 1 = most likely; A = (R - mean) / (std + eps), or R - mean with
    ``scale="none"``. ``beta_rank`` in [0, 1]; 0 is grpo, the paper has 0.25 at G = 32. ``rank_by="mean"`` (token mean)
    is the authors' code, "sum" their text. ``among="correct"`` (ours) ranks the correct samples only, G their number.
    ``clamp_sign`` (ours) lifts the advantage of correct samples to at least 0.

    Likelihoods are read where a group trains and has a success; elsewhere the shaped reward is the reward.

    Pitfalls: With one correct sample the std cancels the penalty: its advantage is (G-1)/sqrt(G) at any rank. At
    G = 32, beta_rank 0.25 likely correct samples get a *negative* advantage once 28 are correct.
    """
    at_least_0(eps=eps)
    return compose(
        estimators.grpo(eps) if scale == "std" else estimators.dr_grpo(),
        shape=[shaping.unlikeliness(beta_rank, rank_by, among, ties, clamp_sign)],
        gate=[gates.groups(keep_groups, gate_on)],
    )


@register(source=[UNLIKELY, "AndreHe02/rewarding-unlikely-release@ca1cff0"])
def he2025_release() -> Recipe:
    """Mimic the released code of "Rewarding the Unlikely": a preset of unlikely_grpo.

    beta_rank 0.25, ranks of the whole group by the token mean, ties by index, gate on outcomes, eps 1e-6, no clamp.

    Pitfalls: as unlikely_grpo; ties by index take more from the sample that happens to come last of equal ones.
    """
    return unlikely_grpo(
        beta_rank=0.25, rank_by="mean", among="group", ties="index", gate_on="outcome", clamp_sign=False
    )
