"""OPO: the length-weighted mean as the baseline (arXiv 2505.23585)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator

N_TOKENS = pl.col("n_tokens")


@estimator()
def opo() -> Estimator:
    """Take away the group's mean weighted by length: A_i = R_i - sum(n_j R_j) / sum(n_j) (arXiv 2505.23585).

    n = ``n_tokens``; a sample without it leaves as ``no_likelihood``, where its group trains.
    """
    return Estimator(less_length_weighted_mean, missing=_missing)


def less_length_weighted_mean(shaped: pl.Expr) -> pl.Expr:
    """Take away sum(n_j R_j) / sum(n_j), n_j >= 0 tokens; a group without a token takes the plain mean away.

    A group of one and a uniform group give 0 up to rounding noise.
    """
    tokens = N_TOKENS.sum()
    baseline = (N_TOKENS * shaped).sum() / tokens
    return pl.when(tokens > 0).then(shaped - baseline).otherwise(center(shaped))


def _missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
    return {"no_likelihood": trains & N_TOKENS.is_null()}
