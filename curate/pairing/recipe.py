"""What a recipe of pairs is: which samples take part, which groups give pairs, and how a group is matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

GROUP, INDEX = "group_id", "sample_index"
REWARD = pl.col("reward")
CORRECT = pl.col("outcome").cast(pl.String) == "correct"
N = pl.col(INDEX).count()

# Why a sample is in no pair; the first that applies is given. A group without a pair has the reason of its samples.
REASONS = (
    "hinted",  # sampled with the answer shown: it never trains as it is
    "unjudged",  # no reward
    "no_likelihood",  # the recipe compares log-probs, and it has none
    "no_score",  # the recipe compares scores, and it has none
    "singleton",  # nothing to compare it with
    "solved",  # the recipe is for all-wrong groups
    "no_success",  # all wrong
    "no_failure",  # all correct
    "no_explanation",  # no explanation of the right answer
    "tied",  # all equally good
    "identical",  # both sides of the pair are the same completion
    "unpaired",  # its group gave pairs, of other samples
)


@dataclass(frozen=True, eq=False)
class PairRecipe:
    """Hold the steps of one recipe of pairs; ``pair`` in apply.py runs them.

    ``reads`` names the columns it needs beside key, completion and ``hinted``. ``leave`` says for each reason where a
    sample does not take part (expressions on rows). ``bar`` gives the reason why a group gives no pair, or null, and is
    written as if the frame held exactly one group, of the samples that take part. ``match`` gets the samples of all
    other groups, sorted by key, and returns a row a pair: group_id, chosen, rejected, target, smoothing.
    """

    reads: tuple[str, ...]
    leave: Mapping[str, pl.Expr]
    bar: pl.Expr
    match: Callable[[pl.DataFrame], pl.DataFrame]
    counts_outcomes: bool = False
    name: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    source: tuple[str, ...] = ()


def first_reason(**conditions: pl.Expr) -> pl.Expr:
    """Return the first reason whose condition is true, else null."""
    return pl.coalesce(
        *(pl.when(condition).then(pl.lit(reason)) for reason, condition in conditions.items()), pl.lit(None, pl.String)
    )
