"""Apply a recipe to stored samples: the one place where its expressions meet the groups."""

from __future__ import annotations

import polars as pl

from curate.reweighting.checks import check_columns, check_keys, check_rewards, check_values
from curate.reweighting.duplicates import share_duplicates
from curate.reweighting.gates import N_CORRECT, SIZE
from curate.reweighting.order import GROUP, KEY, Ordered, in_key_order
from curate.reweighting.recipe import REWARD, SHAPED, Recipe, needed_columns


def reweight(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Check the samples, apply the recipe, and return the same rows in the same order with six more columns.

    ``frame`` has a row a sample, in any order: group_id, sample_index, reward (null = not judged), outcome (or
    rewards of 0, 1 and null only) and what ``needed_columns(recipe)`` names. Added, replacing columns of that name:

    - shaped: reward after shaping; null where not judged or where the recipe lacked a value that it reads
    - advantage, weight: null = dropped, else finite
    - drop_reason: unjudged, no_likelihood, no_rts, singleton, all_wrong, all_correct, degenerate, gated; the first
      that applies; null = kept
    - group_size, n_correct: samples that took part in the group's statistics, and the correct ones among them

    Equal completions (``completion_ids``, or ``completion`` where ids are null or not there) share their mean log-prob
    first (for the ranks only).
    A group of one is dropped as singleton (unless the recipe has no group statistics), a uniform group by the recipe's
    gate. Raises ConfigError for a missing
    column or rewards that the recipe is not defined for, ContractError for a key twice or null, NaN or infinity,
    an unknown outcome, or RTS outside [0, 1].
    """
    check_columns(frame, recipe)
    check_values(frame, recipe)
    shared = share_duplicates(frame)
    ordered = in_key_order(_inputs(shared, recipe))
    check_keys(ordered)
    return frame.with_columns(_computed(ordered, recipe))


def apply(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Do what ``reweight`` does without its checks of keys and numbers: for tables that a contract has checked.

    Columns and rewards are still checked against the recipe; log-probs of duplicates are taken as stored.
    """
    check_columns(frame, recipe)
    return frame.with_columns(_computed(in_key_order(_inputs(frame, recipe)), recipe))


def _computed(ordered: Ordered, recipe: Recipe) -> pl.DataFrame:
    """Compute the six columns, rows in the order of the input."""
    samples = _leave(ordered.frame, recipe)
    samples = samples.with_columns(shaped=recipe.shaped.over(GROUP))
    rows = samples.select(
        SHAPED,
        "left",
        advantage=recipe.advantage(SHAPED).over(GROUP),
        weight=_over_groups(recipe.weight),
        gated=_over_groups(recipe.gate),
    )
    of_group = _group_columns(samples, recipe).select(pl.all().gather(samples[GROUP]))
    return ordered.restore(rows.hstack(of_group).select(*_kept()))


def _group_columns(samples: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Compute what is one value a group, a row a group: sizes, and whether and why it is dropped."""
    groups = samples.group_by(GROUP, maintain_order=True).agg(
        group_size=SIZE.cast(pl.Int32),
        n_correct=N_CORRECT.cast(pl.Int32),
        degenerate=recipe.degenerate,
        barred=recipe.drop,
    )
    no_signal = pl.when(pl.col("degenerate") & ~pl.lit(recipe.keep_degenerate)).then(pl.lit("degenerate"))
    single = pl.when(pl.lit(recipe.needs_group) & (pl.col("group_size") == 1)).then(pl.lit("singleton"))
    return groups.select("group_size", "n_correct", "degenerate", dropped=pl.coalesce(single, "barred", no_signal))


def _inputs(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Select the key and what the recipe reads, as float64, with ``correct`` in place of ``outcome``."""
    has_outcome = "outcome" in frame.columns
    outcome = pl.col("outcome").cast(pl.String) == "correct" if has_outcome else REWARD == 1
    numbers = [column for column in needed_columns(recipe) if column != "outcome"]
    inputs = frame.select(
        *KEY,
        pl.col(numbers).cast(pl.Float64),
        correct=pl.when(REWARD.is_not_null()).then(outcome),
    )
    check_rewards(inputs, recipe, has_outcome)
    return inputs


def _leave(samples: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Null every input of the samples that do not take part, with the reason in ``left``."""
    samples = samples.with_columns(solved="correct")
    if not samples.null_count().select(pl.sum_horizontal(pl.all())).item():
        return samples.with_columns(left=pl.lit(None, pl.String))
    reasons = [pl.when(REWARD.is_null()).then(pl.lit("unjudged"))]
    for reason, missing in recipe.missing.items():
        reasons.append(pl.when(missing.over(GROUP)).then(pl.lit(reason)))
    inputs = pl.exclude(*KEY, GROUP, "solved", "left")
    return samples.with_columns(left=pl.coalesce(reasons)).with_columns(
        pl.when(pl.col("left").is_null()).then(inputs).name.keep()
    )


def _over_groups(expression: pl.Expr) -> pl.Expr:
    """Evaluate an expression in each group; a constant needs no groups."""
    return expression.over(GROUP) if expression.meta.root_names() else expression


def _kept() -> list[pl.Expr]:
    """Null what was dropped and give degenerate groups that are kept an advantage of exactly 0."""
    reason = pl.coalesce("left", "dropped", "gated")
    advantage = pl.when(pl.col("degenerate")).then(0.0).otherwise("advantage")
    return [
        SHAPED,
        pl.when(reason.is_null()).then(advantage).alias("advantage"),
        pl.when(reason.is_null()).then("weight").alias("weight"),
        reason.alias("drop_reason"),
        pl.col("group_size", "n_correct"),
    ]
