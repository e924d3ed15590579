"""What a recipe is: polars expressions written as if the frame held exactly one group, and nothing that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Rewards = Literal["binary", "non_negative", "real"]

REWARD = pl.col("reward")
CORRECT = pl.col("correct")  # Boolean, from the outcome alone; null where the sample does not take part
SOLVED = pl.col("solved")  # Boolean, the same before samples left for want of a likelihood or RTS
SHAPED = pl.col("shaped")

_COMPUTED = {"correct": "outcome", "solved": "outcome", "shaped": None}


@dataclass(frozen=True, eq=False)
class Recipe:
    """Hold the steps of one recipe; ``apply`` puts every expression over the groups.

    ``missing`` is asked first, over the judged samples: for each reason a Boolean expression that is true where a
    sample lacks a value that the recipe reads for it. Such samples and the unjudged ones leave: every input is
    null for them in what follows, so that count, mean, std and rank pass over them.
    ``shaped`` is the shaped reward; ``advantage`` makes the advantage from the column of shaped rewards.
    ``drop`` gives the reason why a whole group does not train, or null; ``degenerate`` is true for a group without
    signal, which is dropped too unless ``keep_degenerate`` keeps it at an advantage of exactly 0.
    ``gate`` gives the reason why a sample does not train though its group does, or null; it stays in the statistics.
    ``weight`` multiplies the loss of kept samples. ``needs_group`` is false for a recipe without group statistics: a
    group of one then trains.
    Columns they may read: ``reward``, ``correct``, ``solved``, ``shaped``, and those of likelihoods and feedback.
    """

    shaped: pl.Expr
    advantage: Callable[[pl.Expr], pl.Expr]
    degenerate: pl.Expr
    drop: pl.Expr
    keep_degenerate: bool = False
    needs_group: bool = True
    gate: pl.Expr = field(default_factory=lambda: pl.lit(None, pl.String))
    missing: Mapping[str, pl.Expr] = field(default_factory=dict)
    weight: pl.Expr = field(default_factory=lambda: pl.lit(1.0))
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rewards: Rewards = "real"
    source: tuple[str, ...] = ()

    @property
    def expressions(self) -> tuple[pl.Expr, ...]:
        """List every expression of the recipe."""
        steps = (self.shaped, self.advantage(SHAPED), self.degenerate, self.drop, self.gate, self.weight)
        return (*self.missing.values(), *steps)


def read_columns(*expressions: pl.Expr) -> set[str]:
    """Name the stored columns that the expressions read (``correct`` and ``solved`` come from ``outcome``)."""
    roots = {root for expression in expressions for root in expression.meta.root_names()}
    return {column for root in roots if (column := _COMPUTED.get(root, root)) is not None}


def needed_columns(recipe: Recipe) -> tuple[str, ...]:
    """Name the stored columns that a recipe reads beside the key, sorted, before anything runs.

    ``reward`` and ``outcome`` are in verdicts; ``mean_logprob``, ``sum_logprob`` and ``n_tokens`` in likelihoods;
    ``rts``, ``first_error_step`` and ``n_steps`` in feedback. ``reward`` and ``outcome`` are always needed: they say
    who was judged, and how many were correct.
    """
    return tuple(sorted({"reward", "outcome"} | read_columns(*recipe.expressions)))
