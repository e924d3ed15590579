"""Mean and variance of a value over the whole dataset, from sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

# Sums of squares lose this share of their digits: a smaller variance is no signal.
NOISE = 1e-12


@dataclass(frozen=True)
class Moments:
    """The sums that an estimator asks for as its ``batch``, and what it reads of them.

    ``variance`` has ddof 1. ``has_signal`` is false for fewer than two, and for values that are all the same up to
    rounding: (sum of squares) * 1e-12 is more than their variance.
    """

    batch: Mapping[str, pl.Expr]
    mean: pl.Expr
    variance: pl.Expr
    has_signal: pl.Expr


def moments(value: pl.Expr, counted: pl.Expr, count: pl.Expr | None = None) -> Moments:
    """Ask for the moments of ``value`` over the samples where ``counted``, each counting ``count`` times (once)."""
    times = pl.lit(1.0) if count is None else count
    n, total, squares = (pl.col(f"batch_{name}") for name in ("n", "sum", "squares"))
    variance = (squares - total * total / n) / (n - 1)
    return Moments(
        batch={
            "n": pl.when(counted).then(times),
            "sum": pl.when(counted).then(times * value),
            "squares": pl.when(counted).then(times * value * value),
        },
        mean=total / n,
        variance=variance,
        has_signal=(n > 1) & (variance > NOISE * squares / n),
    )
