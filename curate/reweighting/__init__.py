"""Re-weighting: rewards -> advantages by a recipe. Pure: polars and errors only, numpy for optimisations."""

from curate.reweighting import recipes
from curate.reweighting.apply import apply, reweight, survey
from curate.reweighting.catalogue import describe, describe_piece
from curate.reweighting.columns import COLUMNS, SCORE, column_of
from curate.reweighting.compose import compose, with_gate, with_weighting
from curate.reweighting.diagnostics import diagnose, merge, summarize
from curate.reweighting.duplicates import share_duplicates
from curate.reweighting.named import compose_named
from curate.reweighting.recipe import Recipe, needed_columns
from curate.reweighting.registry import build, names
from curate.reweighting.specimen import survives
from curate.reweighting.survey import Whole, conclude

__all__ = [
    "COLUMNS",
    "SCORE",
    "Recipe",
    "Whole",
    "apply",
    "build",
    "column_of",
    "compose",
    "compose_named",
    "conclude",
    "describe",
    "describe_piece",
    "diagnose",
    "merge",
    "names",
    "needed_columns",
    "recipes",
    "reweight",
    "share_duplicates",
    "summarize",
    "survey",
    "survives",
    "with_gate",
    "with_weighting",
]
