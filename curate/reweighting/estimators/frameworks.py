"""Estimators as three frameworks compute them: TRL, verl and OpenRLHF differ in eps, scale and groups of one.

Not mimicked: a reward that is not there counts as 0 in some of them (here the sample is ``unjudged``), rounding noise of
equal rewards (here exactly 0), and the KL that TRL's RLOO can take off the reward. What a framework calls a batch is
one step's; here it is the dataset.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.estimators.moments import moments
from curate.reweighting.estimators.rloo import leave_one_out
from curate.reweighting.group import SIZE, uniform
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import SHAPED
from curate.reweighting.registry import estimator

ScaleRewards = Literal["group", "batch", "none"]

TRL_EPS = 1e-4
VERL_EPS = 1e-6
OPENRLHF_EPS = 1e-9


@estimator()
def trl_grpo(scale_rewards: ScaleRewards = "group") -> Estimator:
    """Standardise as TRL's GRPOTrainer: A = (R - mean) / (std + 1e-4), std of the group, of the batch, or none.

    std has ddof 1, that of the batch is over the rewards of all judged samples. A group of one has advantage 0.
    """
    if scale_rewards != "batch":
        return Estimator(
            standardize(TRL_EPS) if scale_rewards == "group" else center, needs_group=False, keep_groups="all"
        )
    of_all = moments(SHAPED, SHAPED.is_not_null())
    return Estimator(
        lambda shaped: (
            pl.when(of_all.has_signal).then(center(shaped) / (of_all.variance.sqrt() + TRL_EPS)).otherwise(0.0)
        ),
        needs_group=False,
        batch=of_all.batch,
        keep_groups="all",
    )


@estimator()
def trl_rloo(normalize_advantages: bool = False) -> Estimator:
    """Leave one out as TRL's RLOOTrainer: A = R - mean of the others, (A - mean) / (std + 1e-4) over the batch if asked.

    std has ddof 1. A group of one has advantage 0 and does not count in the batch.
    """
    if not normalize_advantages:
        return Estimator(leave_one_out, needs_group=False, keep_groups="all")
    of_all = moments(leave_one_out(SHAPED), SHAPED.is_not_null() & (SIZE > 1))

    def advantage(shaped: pl.Expr) -> pl.Expr:
        normalized = (leave_one_out(shaped) - of_all.mean) / (of_all.variance.sqrt() + TRL_EPS)
        return pl.when(of_all.has_signal).then(normalized).otherwise(0.0)

    return Estimator(advantage, needs_group=False, batch=of_all.batch, keep_groups="all")


@estimator()
def verl_grpo(norm_adv_by_std_in_grpo: bool = True) -> Estimator:
    """Standardise as verl: A = (R - mean) / (std + 1e-6), or R - mean; a group of one has mean 0 and std 1.

    std has ddof 1. A group of equal rewards has exactly 0.
    """
    estimate = standardize(VERL_EPS) if norm_adv_by_std_in_grpo else center

    def advantage(shaped: pl.Expr) -> pl.Expr:
        group_of_one = shaped / (1 + VERL_EPS) if norm_adv_by_std_in_grpo else shaped
        return pl.when(SIZE == 1).then(group_of_one).when(uniform(shaped)).then(0.0).otherwise(estimate(shaped))

    return Estimator(advantage, needs_group=False, has_signal_if_uniform=True, keep_groups="all")


@estimator()
def openrlhf_grpo() -> Estimator:
    """Standardise as OpenRLHF's group_norm: A = (R - mean) / (std + 1e-9), std with ddof 1; no groups of one."""
    return Estimator(standardize(OPENRLHF_EPS), keep_groups="all")
