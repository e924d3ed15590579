"""What every export reads: samples with their advantages, part by part."""

from __future__ import annotations

import polars as pl

from curate.dataset import Dataset, TableRef
from curate.parts import read_footer
from curate.stage import read_frame, same_keys

KEY = ["group_id", "sample_index"]
INSTEAD = "export a dataset without hinted samples"


def beside(data: Dataset, rows: pl.DataFrame, ref: TableRef, name: str, columns: list[str]) -> pl.DataFrame:
    """Return columns of the part of ``ref`` that holds the samples of ``rows``; raises ContractError where it does not."""
    part = read_frame(data, ref, name, [*KEY, *columns])
    same_keys(rows, part, f"{ref}/{name}")
    return part.select(columns)


def recipe_of(data: Dataset, advantages: TableRef) -> str | None:
    """Return the recipe that made the advantages; null where they were imported, or there are none."""
    names = data.parts(advantages)
    return read_footer(data.part(advantages, names[0])).about.get("recipe") if names else None
