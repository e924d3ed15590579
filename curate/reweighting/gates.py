"""Gates: which groups train, which carry no signal, and in which groups a shaping acts."""

from __future__ import annotations

from typing import Literal

import polars as pl

from curate.reweighting.recipe import CORRECT, SHAPED, SOLVED

KeepGroups = Literal["mixed", "not_all_correct", "all"]
GateOn = Literal["outcome", "shaped"]

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


def drop_reason(keep_groups: KeepGroups, gate_on: GateOn, degenerate: pl.Expr) -> pl.Expr:
    """Give the reason why a group of two or more does not train, or null: all_wrong, all_correct or degenerate.

    ``keep_groups``: "mixed" drops all-wrong and all-correct groups, "not_all_correct" only the latter, "all" none.
    With ``gate_on="shaped"`` an all-wrong or all-correct group falls only if its *shaped* rewards are uniform too.
    Degenerate groups are dropped unless "all" keeps them, at advantage 0.
    """
    if keep_groups == "all":
        return pl.lit(None, dtype=pl.String)
    falls = degenerate if gate_on == "shaped" else pl.lit(True)
    reason = pl.when(falls & (N_CORRECT == SIZE)).then(pl.lit("all_correct"))
    if keep_groups == "mixed":
        reason = reason.when(falls & (N_CORRECT == 0)).then(pl.lit("all_wrong"))
    return reason.when(degenerate).then(pl.lit("degenerate"))
