"""What a recipe makes of an all-wrong, an all-correct and a mixed group: found by running it, so that it cannot rot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from curate.reweighting.apply import reweight
from curate.reweighting.columns import column_of
from curate.reweighting.recipe import Recipe, needed_columns

GROUPS: Mapping[str, list[bool]] = {
    "all_wrong": [False] * 4,
    "all_correct": [True] * 4,
    "mixed": [True, True, False, False],
}


def survival(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return what survives in three groups of four samples that make up a dataset, by the name of the group.

    ``advantage`` has a value a sample, null = dropped, and ``reasons`` why; correct samples come first in the mixed group.
    Of every column that the recipe reads the samples have the example's value, no two alike; rewards are 1 and 0.
    """
    found = reweight(_frame(recipe), recipe)
    return {
        name: {"advantage": rows["advantage"].to_list(), "reasons": sorted(set(rows["drop_reason"].drop_nulls()))}
        for name in GROUPS
        for rows in [found.filter(pl.col("name") == name)]
    }


def _frame(recipe: Recipe) -> pl.DataFrame:
    rows = [
        {"name": name, "group_id": group_id, "sample_index": i, **_read(recipe, i), "reward": float(correct)}
        | {"outcome": "correct" if correct else "incorrect"}
        for group_id, (name, outcomes) in enumerate(GROUPS.items())
        for i, correct in enumerate(outcomes)
    ]
    dtypes = {name: known.dtype for name in needed_columns(recipe) if (known := column_of(name))}
    return pl.DataFrame(rows, schema_overrides=dtypes)


def _read(recipe: Recipe, i: int) -> dict[str, Any]:
    return {name: known.example(i) for name in needed_columns(recipe) if (known := column_of(name))}


def survives(of_group: Mapping[str, Any]) -> str:
    """Say in words what survives of one of the groups of ``survival``."""
    kept = [value for value in of_group["advantage"] if value is not None]
    if not kept:
        return f"dropped: {', '.join(of_group['reasons'])}"
    shown = ", ".join("-" if value is None else f"{round(value, 2) + 0.0:.2f}" for value in of_group["advantage"])
    return "kept at 0" if not any(kept) else f"A = {shown}" + (" (- is dropped)" if of_group["reasons"] else "")
