"""Signs of the outcome, without group statistics: Reinforce-Rej, PSR, NSR and W-REINFORCE.

They read the outcome alone: rewards of 0/1, of +-1 and real ones give the same, and a shaping before them is refused.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.pieces import Estimator, KeepGroups
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0

Scores = Literal["signs", "zero_one"]


@estimator()
def reinforce_rej(scores: Scores = "signs") -> Estimator:
    """Give a correct sample +1 and a wrong one -1; meant for mixed groups (arXiv 2504.11343).

    ``scores="zero_one"`` gives a wrong sample 0, as the released code does with rewards of 0 and 1. By the outcome alone.
    """
    return _signs(1.0, -1.0 if scores == "signs" else 0.0, needs_group=True)


@estimator()
def psr() -> Estimator:
    """Give a correct sample +1; wrong ones are ``gated`` (positive sample reinforcement, arXiv 2506.01347).

    By the outcome alone.
    """
    return _signs(1.0, -1.0, trains=CORRECT, keep_groups="all")


@estimator()
def nsr() -> Estimator:
    """Give a wrong sample -1; correct ones are ``gated`` (negative sample reinforcement, arXiv 2506.01347).

    By the outcome alone.
    """
    return _signs(1.0, -1.0, trains=~CORRECT, keep_groups="not_all_correct")


@estimator()
def w_reinforce(lambda_psr: float = 0.1) -> Estimator:
    """Give a correct sample lambda_psr and a wrong one -1 (arXiv 2506.01347); ``lambda_psr`` at least 0.

    By the outcome alone.
    """
    at_least_0(lambda_psr=lambda_psr)
    return _signs(lambda_psr, -1.0, keep_groups="all")


def _signs(
    correct: float,
    wrong: float,
    trains: pl.Expr | None = None,
    needs_group: bool = False,
    keep_groups: KeepGroups = "mixed",
) -> Estimator:
    return Estimator(
        lambda shaped: pl.when(CORRECT).then(correct).otherwise(wrong),
        needs_group=needs_group,
        has_signal_if_uniform=True,
        sample=pl.lit(None, pl.String) if trains is None else pl.when(~trains).then(pl.lit("gated")),
        keep_groups=keep_groups,
    )
