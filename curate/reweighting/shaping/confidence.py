"""Confidence: a wrong sample costs more, the more confident the policy was of it (LENS, arXiv 2510.08696)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.group import SIZE, has_success
from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import SOLVED
from curate.reweighting.registry import shaping

LIKELIHOOD = pl.col("mean_logprob")


@shaping()
def confidence() -> Shaping:
    """Take reward from wrong samples by the policy's confidence in them (LENS, arXiv 2510.08696).

    R = r - (1 - r) / G * p / (D - p), p = exp(mean_logprob); D = 2 max p in all-wrong groups, max(D_imp, 2 max p) in
    mixed ones, D_imp = 1 / mean(r / p). A wrong sample gets a reward in [-1/G, 0], a correct one keeps 1.
    A sample of a group that trains and has a wrong one leaves as ``no_likelihood`` where it has no log-prob.
    """

    def acts(trains: pl.Expr) -> pl.Expr:
        return trains & ~SOLVED.all()

    def shape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        return pl.when(acts(trains)).then(reward - (1 - reward) * penalty(reward)).otherwise(reward)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        return {"no_likelihood": acts(trains) & LIKELIHOOD.is_null()}

    return Shaping(shape, missing, rewards="binary", keep_groups="not_all_correct")


def penalty(reward: pl.Expr) -> pl.Expr:
    """Give p / (D - p) / G, in (0, 1/G], increasing in p.

    It is the same for all p times one factor, so p is taken relative to the group's largest: nothing underflows in the
    divisor, and D is max(D_imp, 2) or 2.
    """
    p = (LIKELIHOOD - LIKELIHOOD.max()).exp()
    implied = SIZE / pl.when(reward > 0).then(reward / p).sum()
    scale = pl.when(has_success()).then(implied.clip(lower_bound=2.0)).otherwise(2.0)
    return p / (scale - p) / SIZE
