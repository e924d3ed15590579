"""Unlikeliness: less reward for the correct samples that the policy was likely to give anyway (arXiv 2506.02355)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from curate.reweighting.group import has_success
from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import shaping
from curate.reweighting.values import in_unit_interval

RankBy = Literal["mean", "sum"]
Among = Literal["group", "correct"]
Ties = Literal["average", "index"]


@shaping(beta_rank=0.25)
def unlikeliness(
    beta_rank: float,
    rank_by: RankBy = "mean",
    among: Among = "group",
    ties: Ties = "average",
    clamp_sign: bool = False,
) -> Shaping:
    """Take reward from the correct samples that the policy was likely to give anyway (arXiv 2506.02355).

    R = r * (1 - beta_rank * (G - rank) / G), rank 1 = most likely, in groups that train and have a success; wrong
    samples keep their reward. ``rank_by`` the mean or the sum of log-probs, ``among`` the group or its correct samples,
    ``ties`` share the average rank, or by index. ``clamp_sign`` lifts the advantage of correct samples to at least 0.
    A sample that the ranking needs and that has no likelihood leaves as ``no_likelihood``.
    """
    in_unit_interval(beta_rank=beta_rank)
    likelihood = ranked_likelihood(rank_by, among)

    def shape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        acts = has_success() & trains
        return pl.when(acts & CORRECT).then(reward * rank_factor(likelihood, beta_rank, ties)).otherwise(reward)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        acts = has_success() & trains
        ranked = acts & CORRECT if among == "correct" else acts
        return {"no_likelihood": ranked & pl.col(f"{rank_by}_logprob").is_null()}

    return Shaping(shape, missing, after=clamp_correct if clamp_sign else None, rewards="binary")


def ranked_likelihood(rank_by: RankBy, among: Among) -> pl.Expr:
    """Pick the log-prob to rank by (nats a token, or nats); null for samples outside the ranking."""
    likelihood = pl.col(f"{rank_by}_logprob")
    return pl.when(CORRECT).then(likelihood) if among == "correct" else likelihood


def rank_factor(likelihood: pl.Expr, beta_rank: float, ties: Ties) -> pl.Expr:
    """Give the unlikeliness factor 1 - beta_rank * (G - rank) / G, rank 1 = most likely (arXiv 2506.02355).

    G counts the ranked samples, those with a likelihood; the factor is null for the others, 1 for a group of one,
    and the same for all samples of a group of equal likelihoods. Ties share the average rank; with ``index`` the
    one of lower sample_index counts as less likely, as a stable argsort of an argsort gives it.
    """
    more_likely_than = likelihood.rank("average" if ties == "average" else "ordinal") - 1
    return 1 - beta_rank * more_likely_than / likelihood.count()


def clamp_correct(advantage: pl.Expr) -> pl.Expr:
    """Lift the advantage of a correct sample to at least 0; wrong samples keep theirs."""
    return pl.when(CORRECT).then(advantage.clip(lower_bound=0.0)).otherwise(advantage)
