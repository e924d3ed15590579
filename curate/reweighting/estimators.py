"""Estimators: functions of the shaped reward of one group, Expr -> Expr, composed with ``Expr.pipe``.

Each sees a group as one column; a null is a sample that does not take part and stays null.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.reweighting.recipe import CORRECT


def center(shaped: pl.Expr) -> pl.Expr:
    """Take away the group's mean: R_i - mean(R). A group of one and a uniform group give 0 (arXiv 2503.20783)."""
    return shaped - shaped.mean()


def standardize(eps: float) -> Callable[[pl.Expr], pl.Expr]:
    """Centre and divide by the sample std (ddof 1): (R_i - mean(R)) / (std(R) + eps) (arXiv 2402.03300).

    A group of one gives null, a uniform group 0 up to rounding noise: such groups are ``degenerate`` before this
    value is used.
    """

    def standardized(shaped: pl.Expr) -> pl.Expr:
        return center(shaped) / (shaped.std() + eps)

    return standardized


def leave_one_out(shaped: pl.Expr) -> pl.Expr:
    """Take away the mean of the *other* samples: G/(G-1) * (R_i - mean(R)) (arXiv 2402.14740).

    A group of one has no others and gives NaN or infinity: it is a ``singleton`` before this value is used.
    """
    size = shaped.count()
    return center(shaped) * (size / (size - 1))


def clamp_correct(advantage: pl.Expr) -> pl.Expr:
    """Lift the advantage of a correct sample to at least 0; wrong samples keep theirs."""
    return pl.when(CORRECT).then(advantage.clip(lower_bound=0.0)).otherwise(advantage)


def damp(advantage: pl.Expr, where: pl.Expr, factor: float, one_sided: bool) -> pl.Expr:
    """Scale the advantages of the groups where ``where`` is true by ``factor``; one-sided also clips them at <= 0."""
    if factor == 1.0 and not one_sided:
        return advantage
    damped = advantage * factor
    return pl.when(where).then(damped.clip(upper_bound=0.0) if one_sided else damped).otherwise(advantage)
