"""Consistency bonus: more reward where the reference finds the answer likely after its reasoning (arXiv 2506.16141)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.group import TOLERANCE
from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import REWARD
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0, in_unit_interval

ANSWER_LOGPROB = pl.col("answer_mean_logprob")
IS_UNSCORED = pl.col("mean_logprob").is_null()


@shaping()
def care(lambda_care: float = 0.5, cap: float = 0.95, margin: float = 0.01, least: float = 0.1) -> Shaping:
    """Add a bonus to the accurate samples whose answer the reference finds likely (GRPO-CARE, arXiv 2506.16141).

    conf = min(exp(``answer_mean_logprob``), cap); S: reward above ``least`` and at least the group's mean; a sample of S
    whose conf is at least the mean conf over S less ``margin`` gets R = r + lambda_care * reward. Ties at the bound get
    it. ``lambda_care`` 0 changes nothing. The scorer named is the reference, the paper's a slow average of the policy.

    No answer found in a scored sample (answer_mean_logprob null, mean_logprob not) is conf 0; the released code gives it
    the cap. A sample above ``least`` without likelihood leaves as ``no_likelihood``, as all of them do where none of the
    group's has an answer scored, so that a scorer that looked for no answers pays no bonus. In groups that train.
    """
    at_least_0(lambda_care=lambda_care, margin=margin, least=least)
    in_unit_interval(cap=cap)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        accuracy = REWARD
        is_read = accuracy > least
        no_answer = ~(is_read & ANSWER_LOGPROB.is_not_null()).any()
        return {"no_likelihood": trains & is_read & (IS_UNSCORED | no_answer)}

    def shape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        gets = trains & is_consistent(cap, margin, least)
        return pl.when(gets).then(reward + lambda_care * REWARD).otherwise(reward)

    return Shaping(shape, missing, keep_groups="all")


def is_consistent(cap: float, margin: float, least: float) -> pl.Expr:
    """Say which samples are accurate and, among those, about as consistent as their mean or more."""
    accuracy = REWARD
    confidence = ANSWER_LOGPROB.exp().clip(upper_bound=cap).fill_null(0.0)
    is_accurate = (accuracy > least) & (accuracy >= accuracy.mean() - TOLERANCE)
    usual = pl.when(is_accurate).then(confidence).mean()
    return is_accurate & (confidence >= usual - margin - TOLERANCE)
