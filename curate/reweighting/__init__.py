"""Re-weighting: rewards -> advantages by a recipe. Pure: polars and errors only."""

from curate.reweighting import recipes
from curate.reweighting.apply import apply, reweight
from curate.reweighting.diagnostics import diagnose, merge, summarize
from curate.reweighting.duplicates import share_duplicates
from curate.reweighting.recipe import Recipe, needed_columns
from curate.reweighting.registry import build, describe, names

__all__ = [
    "Recipe",
    "apply",
    "build",
    "describe",
    "diagnose",
    "merge",
    "names",
    "needed_columns",
    "recipes",
    "reweight",
    "share_duplicates",
    "summarize",
]
