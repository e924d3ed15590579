"""REINFORCE++: whiten over the whole dataset (arXiv 2501.03262)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import polars as pl

from curate.reweighting.estimators.dr_grpo import center
from curate.reweighting.estimators.moments import moments
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import KEPT, SHAPED
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0

Over = Literal["tokens", "samples"]

N_TOKENS = pl.col("n_tokens")


@estimator()
def reinforce_pp(over: Over = "tokens", eps: float = 1e-8) -> Estimator:
    """Whiten the shaped reward over all samples that train: A = (R - mean) / sqrt(var + eps) (arXiv 2501.03262).

    mean and var (ddof 1) are over the whole dataset, ``over`` its tokens (a sample counts n_tokens times) or its
    samples. No group statistics. A dataset of one value, or of one sample, gives exactly 0.
    """
    return whitened(lambda shaped: shaped, over, eps, needs_group=False)


@estimator()
def reinforce_pp_baseline(over: Over = "tokens", eps: float = 1e-8) -> Estimator:
    """Centre in the group, then whiten over all samples that train (arXiv 2501.03262, its baseline form).

    B = R - mean of the group, A = (B - mean) / sqrt(var + eps), mean and var (ddof 1) over the whole dataset, ``over`` its
    tokens or its samples. A dataset of one value gives exactly 0.
    """
    return whitened(center, over, eps, needs_group=True)


def whitened(value: Callable[[pl.Expr], pl.Expr], over: Over, eps: float, *, needs_group: bool) -> Estimator:
    """Whiten a value of each sample over the samples that train."""
    at_least_0(eps=eps)
    of_all = moments(value(SHAPED), KEPT, N_TOKENS if over == "tokens" else None)

    def advantage(shaped: pl.Expr) -> pl.Expr:
        whitened = (value(shaped) - of_all.mean) / (of_all.variance + eps).sqrt()
        return pl.when(of_all.has_signal).then(whitened).otherwise(0.0)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        return {"no_likelihood": trains & N_TOKENS.is_null()} if over == "tokens" else {}

    return Estimator(
        advantage,
        needs_group=needs_group,
        has_signal_if_uniform=not needs_group,
        missing=missing,
        batch=of_all.batch,
        keep_groups="mixed" if needs_group else "all",
    )
