"""Expressions about one group: its size, its outcomes, and whether it carries a signal."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import KeepGroups
from curate.reweighting.recipe import CORRECT, SHAPED, SOLVED

# Shaped rewards closer than this carry no signal: dividing by std + eps alone would make noise of them.
TOLERANCE = 1e-12

SIZE = CORRECT.count()
N_CORRECT = CORRECT.sum()


def uniform(shaped: pl.Expr = SHAPED) -> pl.Expr:
    """Say whether a group is degenerate: max - min <= 1e-12 * max(1, |max|). A group of one is, an empty one null."""
    top = shaped.max()
    return top - shaped.min() <= TOLERANCE * top.abs().clip(lower_bound=1.0)


def can_train(keep_groups: KeepGroups) -> pl.Expr:
    """Say whether a group's outcomes let it train: two samples or more, and the mix of outcomes asked for."""
    several = SIZE > 1
    if keep_groups == "mixed":
        return (N_CORRECT > 0) & (N_CORRECT < SIZE)
    return several if keep_groups == "all" else several & (N_CORRECT < SIZE)


def has_success() -> pl.Expr:
    """Say whether a judged sample of the group was correct, even one that left for want of a likelihood."""
    return SOLVED.any()


def drop_reason(keep_groups: KeepGroups, falls: pl.Expr | None = None) -> pl.Expr:
    """Give the reason why a group's outcomes bar it from training, or null: all_wrong or all_correct.

    ``keep_groups``: "mixed" bars all-wrong and all-correct groups, "not_all_correct" the latter, "all" none.
    With ``falls`` (gate on shaped rewards) such a group is barred only where that is true as well.
    """
    reason = pl.lit(None, pl.String)
    if keep_groups == "mixed":
        reason = pl.when(_barred(N_CORRECT == 0, falls)).then(pl.lit("all_wrong")).otherwise(reason)
    if keep_groups != "all":
        reason = pl.when(_barred(N_CORRECT == SIZE, falls)).then(pl.lit("all_correct")).otherwise(reason)
    return reason


def _barred(outcomes: pl.Expr, falls: pl.Expr | None) -> pl.Expr:
    return outcomes if falls is None else outcomes & falls
