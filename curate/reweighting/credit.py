"""Spread advantages over tokens: the one place where an estimator's credit meets the samples."""

from __future__ import annotations

import polars as pl

from curate.reweighting.recipe import Recipe

TOKENS = pl.List(pl.Float32)


def with_tokens(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Add ``token_advantages`` and ``token_credit`` as the recipe's credit gives them; a recipe without one adds neither.

    ``frame`` has the advantages. A sample that was dropped has none.
    """
    credit = recipe.estimator.credit
    if credit is None:
        return frame
    made = credit.tokens(frame)
    is_kept = frame["advantage"].is_not_null()
    kept = made.with_columns(is_kept.alias("is_kept"))
    return frame.with_columns(
        kept.select(pl.when("is_kept").then(pl.col(name).cast(TOKENS)).alias(name) for name in made.columns)
    )
