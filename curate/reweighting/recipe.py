"""What a recipe is: polars expressions written as if the frame held exactly one group, and nothing that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from curate.reweighting.pieces import Estimator, Gate, Rewards, Shaping, Weighting

REWARD = pl.col("reward")
CORRECT = pl.col("correct")  # Boolean, from the outcome alone; null where the sample does not take part
SOLVED = pl.col("solved")  # Boolean, the same before samples left for want of a value the recipe reads
INITIAL = pl.col("initial")  # Boolean, CORRECT of the samples drawn before a stopping rule looked; of all without one
SHAPED = pl.col("shaped")
KEPT = pl.col("kept")  # Boolean: the sample trains; for sums over the dataset
DEGENERATE = pl.col("degenerate")  # Boolean: the group has no signal; for sums over the dataset
BATCH = "batch_"

_COMPUTED = {
    "correct": "outcome",
    "solved": "outcome",
    "initial": "n_initial",
    "shaped": None,
    "kept": None,
    "degenerate": None,
}


@dataclass(frozen=True, eq=False)
class Recipe:
    """Hold the steps of one recipe; ``compose`` makes it of pieces, ``apply`` puts every expression over the groups.

    ``missing`` is asked first, over the judged samples: for each reason a Boolean expression that is true where a
    sample lacks a value that the recipe reads for it. Such samples and the unjudged ones leave: every input is
    null for them in what follows, so that count, mean, std and rank pass over them.
    ``shaped`` is the shaped reward; ``advantage`` makes the advantage from the column of shaped rewards.
    ``drop`` gives the reason why a whole group does not train, or null; ``degenerate`` is true for a group without
    signal, which is dropped too unless ``keep_degenerate`` keeps it at an advantage of exactly 0.
    ``gate`` gives the reason why a sample does not train though its group does, or null; it stays in the statistics.
    ``weight`` multiplies the loss of kept samples. ``needs_group`` is false for a recipe without group statistics: a
    group of one then trains. ``batch`` are sums over the dataset and ``weighting`` weighs its groups (see pieces.py).
    Columns they may read: ``reward``, ``correct``, ``solved``, ``shaped``, and those of likelihoods, feedback, samples
    and prompts that checks.py names.

    ``gates``, ``shapings`` and ``estimator`` are the pieces it was made of; ``parameters`` those of the named recipe.
    """

    shaped: pl.Expr
    advantage: Callable[[pl.Expr], pl.Expr]
    degenerate: pl.Expr
    drop: pl.Expr
    estimator: Estimator
    gates: tuple[Gate, ...] = ()
    shapings: tuple[Shaping, ...] = ()
    weighting: Weighting | None = None
    keep_degenerate: bool = False
    needs_group: bool = True
    gate: pl.Expr = field(default_factory=lambda: pl.lit(None, pl.String))
    missing: Mapping[str, pl.Expr] = field(default_factory=dict)
    weight: pl.Expr = field(default_factory=lambda: pl.lit(1.0))
    batch: Mapping[str, pl.Expr] = field(default_factory=dict)
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rewards: Rewards = "real"
    source: tuple[str, ...] = ()

    @property
    def expressions(self) -> tuple[pl.Expr, ...]:
        """List every expression of the recipe."""
        steps = (self.shaped, self.advantage(SHAPED), self.degenerate, self.drop, self.gate, self.weight)
        collected = tuple(self.weighting.collect.values()) if self.weighting else ()
        return (*self.missing.values(), *steps, *self.batch.values(), *collected)

    @property
    def reads_dataset(self) -> bool:
        """Say whether a group's result depends on other groups, through sums or a weighting."""
        return bool(self.batch) or self.weighting is not None

    @property
    def composition(self) -> dict[str, Any]:
        """Return the pieces with all their parameters, JSON-able, in the order in which they act."""
        made: dict[str, Any] = {
            "gate": [_named(gate) for gate in self.gates],
            "shape": [_named(shaping) for shaping in self.shapings],
            "estimator": _named(self.estimator),
        }
        return made | ({"weighting": _named(self.weighting)} if self.weighting else {})


def _named(piece: Gate | Shaping | Estimator | Weighting) -> dict[str, Any]:
    return {"name": piece.name, **piece.parameters}


def read_columns(*expressions: pl.Expr) -> set[str]:
    """Name the stored columns that the expressions read (``correct`` and ``solved`` come from ``outcome``)."""
    roots = {root for expression in expressions for root in expression.meta.root_names() if not root.startswith(BATCH)}
    return {column for root in roots if (column := _COMPUTED.get(root, root)) is not None}


def needed_columns(recipe: Recipe) -> tuple[str, ...]:
    """Name the stored columns that a recipe reads beside the key, sorted, before anything runs.

    ``reward`` and ``outcome`` are in verdicts; ``mean_logprob``, ``sum_logprob`` and ``n_tokens`` in likelihoods;
    ``rts``, ``first_error_step``, ``n_steps`` and ``diversity`` in feedback. ``reward`` and ``outcome`` are always needed: they say
    who was judged, and how many were correct.
    """
    of_tokens = set(recipe.estimator.credit.reads) if recipe.estimator.credit else set()
    return tuple(sorted({"reward", "outcome"} | of_tokens | read_columns(*recipe.expressions)))
