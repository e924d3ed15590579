"""The survey: what a recipe must know of the whole dataset, collected group by group and then put together.

Sums over the dataset (``Estimator.batch``) and weights of its groups (``Weighting``) are both read off one table with a
row a group, so that splitting the dataset into parts changes nothing: parts are surveyed one by one, concatenated, and
concluded once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.order import GROUP
from curate.reweighting.recipe import BATCH, Recipe

COLLECTED = "collected_"


def collected(samples: pl.DataFrame, of_group: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return a row a group: group_id, ``trains`` (a sample of it is kept), its batch sums, and what a weighting collects."""
    rows = samples.hstack(of_group).with_columns(kept=pl.coalesce("left", "dropped", "gated").is_null())
    # Row by row first, and 0 for null: a sum over nulls has other last bits in one part than in another.
    terms = {
        f"{BATCH}{name}": pl.when(pl.col("left").is_null()).then(term.cast(pl.Float64).over(GROUP)).fill_null(0.0)
        for name, term in recipe.batch.items()
    }
    weighting = recipe.weighting.collect if recipe.weighting else {}
    values = {f"{COLLECTED}{name}": expression for name, expression in weighting.items()}
    return (
        rows.with_columns(**terms)
        .group_by(GROUP, maintain_order=True)
        .agg(pl.col("group_id").first(), pl.col(list(terms)).sum(), trains=pl.col("kept").any(), **values)
        .drop(GROUP)
    )


@dataclass(frozen=True)
class Whole:
    """What a recipe reads of the whole dataset: its sums, and a weight for each group that trains.

    ``weights`` has group_id, ``factor`` and perhaps ``kl_scale``; null without a weighting.
    """

    sums: dict[str, float]
    weights: pl.DataFrame | None
    n_groups_that_train: int

    @property
    def figures(self) -> dict[str, Any]:
        """Return what to keep of it, JSON-able; effective_groups is (sum w)^2 / sum w^2, null without a weighting."""
        effective = None
        if self.weights is not None:
            total, squares = self.weights.select(
                total=pl.col("factor").sum(), squares=(pl.col("factor") ** 2).sum()
            ).row(0)
            effective = total**2 / squares if squares else 0.0
        return {"groups_that_train": self.n_groups_that_train, "sums": self.sums, "effective_groups": effective}


def conclude(surveyed: pl.DataFrame, recipe: Recipe) -> Whole:
    """Return what a recipe reads of the dataset from ``survey`` of all its parts, put together.

    Sums are exact to the last bit, so that neither order nor parts matter. Raises ConfigError for a weighting where a group
    is in the survey twice: its rows lie in two parts.
    """
    sums = {name: math.fsum(surveyed[f"{BATCH}{name}"]) for name in recipe.batch}
    return Whole(sums, _weights(surveyed, recipe), int(surveyed["trains"].sum()))


def _weights(surveyed: pl.DataFrame, recipe: Recipe) -> pl.DataFrame | None:
    if recipe.weighting is None:
        return None
    groups = surveyed.filter("trains").sort("group_id")
    if groups["group_id"].n_unique() < groups.height:
        raise ConfigError("a group lies in two parts, so that it cannot be weighed: run `curate check DIR`")
    known = groups.select("group_id", pl.col(f"^{COLLECTED}.*$").name.map(lambda name: name.removeprefix(COLLECTED)))
    made = recipe.weighting.weigh(known)
    return groups.select("group_id").hstack(made.rename({"weight": "factor"}))


def dataset_columns(samples: pl.DataFrame, whole: Whole) -> pl.DataFrame:
    """Return what each sample's recipe reads of the whole dataset: ``batch_NAME``, ``factor`` and ``kl_scale``."""
    sums = {f"{BATCH}{name}": pl.lit(total) for name, total in whole.sums.items()}
    rows = samples.select("group_id").with_columns(**sums)
    if whole.weights is not None:
        rows = rows.join(whole.weights, on="group_id", how="left", maintain_order="left")
    return rows.drop("group_id")
