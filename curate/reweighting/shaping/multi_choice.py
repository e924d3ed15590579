"""Multi-choice reward: a share of the reward for a part of the right options (arXiv 2505.24718)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import shaping


@shaping()
def multi_choice() -> Shaping:
    """Pay a share of the reward for a part of the right options (TW-GRPO's soft reward, arXiv 2505.24718).

    R = 1 for the right options, |given| / |right| where the options given are some of the right ones, 0 where one is
    wrong. Options are what commas divide in the verdict's ``extracted`` and the prompt's ``answer``, white space aside,
    letter by letter. A sample whose outcome is correct gets 1 whatever its text: a verifier may know the two for equal.
    No answer found (``extracted`` null) gives 0. Takes the place of the reward.

    A sample whose prompt has no answer is ``unjudged``, where its group trains.
    """
    return Shaping(
        lambda reward, trains: (
            pl.when(trains).then(pl.when(CORRECT).then(1.0).otherwise(soft_reward())).otherwise(reward)
        ),
        missing=_missing,
        keep_groups="all",
    )


def soft_reward() -> pl.Expr:
    """Give |given| / |right| where the options given are some of the right ones, else 0; null without ``answer``."""
    # Reading options is slow and texts recur: each pair of texts is read once.
    pairs = pl.struct(given=pl.col("extracted").fill_null(""), right="answer")
    return pairs.map_batches(_each_once, return_dtype=pl.Float64, is_elementwise=True)


def _each_once(pairs: pl.Series) -> pl.Series:
    texts = pairs.struct.unnest()
    given, right = options(pl.col("given")), options(pl.col("right"))
    has_wrong = given.list.set_difference(right).list.len() > 0
    share = pl.when(has_wrong).then(0.0).otherwise(given.list.len() / right.list.len())
    read = texts.unique().with_columns(share=share)
    return texts.join(read, on=["given", "right"], how="left", nulls_equal=True, maintain_order="left")["share"]


def options(text: pl.Expr) -> pl.Expr:
    """Return the distinct options that commas divide, as a list of texts without white space; null for a null."""
    parts = text.str.replace_all(r"\s", "").str.split(",")
    return parts.list.set_difference(pl.lit([""], pl.List(pl.String)))  # a set: each option once


def _missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
    return {"unjudged": trains & ~pl.col("answer").str.contains(r"[^\s,]").fill_null(False)}
