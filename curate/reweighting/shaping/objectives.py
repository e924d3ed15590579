"""Several objectives: the verifier's reward and a judge's scores, put together in the two published orders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.group import uniform
from curate.reweighting.pieces import Shaping
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0

EXAMPLE = {"reward": 1.0, "clarity": 0.5}


@shaping(weights=EXAMPLE)
def sum_then_normalise(weights: dict[str, float]) -> Shaping:
    """Add up the objectives, for an estimator that normalises the sum: R = sum_k w_k r_k.

    ``weights`` names the objectives: "reward" is the reward so far, any other name one of the judge's scores, the column
    ``score_NAME``. The order of TRL's sum_then_normalize; which rule multi-objective GRPO (arXiv 2503.21819) follows is
    not public. In groups that train. A sample that lacks a score leaves as ``no_score``.
    """
    return _combined(weights, lambda objective: objective)


@shaping(weights=EXAMPLE)
def normalise_then_sum(weights: dict[str, float], eps: float = 1e-6) -> Shaping:
    """Standardise each objective in its group, then add them up (GDPO, arXiv 2601.05242).

    R = sum_k w_k (r_k - mean) / (std + eps), std with ddof 1; an objective that is uniform in a group adds exactly 0
    there. ``weights`` as in sum_then_normalise. The published method whitens R over the dataset next: see the estimator
    ``whiten``. In groups that train. A sample that lacks a score leaves as ``no_score``.
    """
    at_least_0(eps=eps)

    def standardized(objective: pl.Expr) -> pl.Expr:
        return pl.when(uniform(objective)).then(0.0).otherwise(standardize(eps)(objective))

    return _combined(weights, standardized)


def _combined(weights: Mapping[str, float], change: Callable[[pl.Expr], pl.Expr]) -> Shaping:
    scores = {name: _score(name) for name in weights if name != "reward"}
    if not weights:
        raise ConfigError("weights is empty: give one an objective, such as reward = 1.0 and a score's name = 0.5")

    def shape(reward: pl.Expr, trains: pl.Expr) -> pl.Expr:
        total = sum((w * change(scores.get(name, reward)) for name, w in weights.items()), start=pl.lit(0.0))
        return pl.when(trains).then(total).otherwise(reward)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        lacks = [score.is_null() for score in scores.values()]
        return {"no_score": trains & pl.any_horizontal(lacks)} if lacks else {}

    return Shaping(shape, missing, keep_groups="all")


def _score(name: str) -> pl.Expr:
    # A name that polars would read as a pattern (^...$) or a wildcard is no column.
    if not re.fullmatch(r"[A-Za-z0-9_. -]+", name):
        raise ConfigError(f"weights: no score can be called {name!r}: letters, digits, _, ., - and spaces")
    return pl.col(f"score_{name}")
