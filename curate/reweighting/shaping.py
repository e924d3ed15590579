"""Shaping: what the reward of one group becomes before an estimator sees it (Expr -> Expr)."""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.recipe import CORRECT

RankBy = Literal["mean", "sum"]
Among = Literal["group", "correct"]
Ties = Literal["average", "index"]
Shape = Literal["logistic", "linear"]
NoError = Literal["null", "last_step"]


def ranked_likelihood(rank_by: RankBy, among: Among) -> pl.Expr:
    """Pick the log-prob to rank by (nats a token, or nats); null for samples outside the ranking."""
    likelihood = pl.col(f"{rank_by}_logprob")
    return pl.when(CORRECT).then(likelihood) if among == "correct" else likelihood


def unlikeliness(likelihood: pl.Expr, beta_rank: float, ties: Ties) -> pl.Expr:
    """Give the unlikeliness factor 1 - beta_rank * (G - rank) / G, rank 1 = most likely (arXiv 2506.02355).

    G counts the ranked samples, those with a likelihood; the factor is null for the others, 1 for a group of one,
    and the same for all samples of a group of equal likelihoods. Ties share the average rank; with ``index`` the
    one of lower sample_index counts as less likely, as a stable argsort of an argsort gives it.
    """
    more_likely_than = likelihood.rank("average" if ties == "average" else "ordinal") - 1
    return 1 - beta_rank * more_likely_than / likelihood.count()


def trajectory_score(no_error: NoError) -> pl.Expr:
    """Read the RTS, (e - 1)/S in [0, 1]: e the 1-based first wrong step, S the number of steps (arXiv 2505.11595).

    Where the judge read the steps of an answer (``n_steps`` set) and found no error, RTS is null;
    ``no_error="last_step"`` puts the error on the last step instead: (S - 1)/S.
    """
    rts = pl.col("rts")
    if no_error == "null":
        return rts
    steps = pl.col("n_steps")
    found_none = rts.is_null() & pl.col("first_error_step").is_null() & (steps >= 1)
    return pl.when(found_none).then((steps - 1) / steps).otherwise(rts)


def graded(rts: pl.Expr, beta: float, gamma: float, shape: Shape, graded_max: float) -> pl.Expr:
    """Grade a wrong sample by its RTS, in [0, graded_max], increasing (arXiv 2505.11595).

    logistic: graded_max / (1 + exp(-beta * (RTS - gamma))); linear: graded_max * RTS. A null RTS gives null.
    ``linear`` and ``graded_max`` (1 in the paper) are ours.
    """
    if shape == "linear":
        return graded_max * rts
    return graded_max / (1 + (-beta * (rts - gamma)).exp())
