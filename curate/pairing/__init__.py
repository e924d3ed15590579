"""Pairing: groups of samples -> preference pairs by a recipe. Pure: polars and errors only."""

from curate.pairing import recipes, tree
from curate.pairing.apply import Paired, pair
from curate.pairing.diagnostics import diagnose, merge
from curate.pairing.recipe import REASONS, PairRecipe
from curate.pairing.registry import entry, names

__all__ = ["REASONS", "PairRecipe", "Paired", "diagnose", "entry", "merge", "names", "pair", "recipes", "tree"]
