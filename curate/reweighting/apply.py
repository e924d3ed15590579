"""Apply a recipe to stored samples: the one place where its expressions meet the groups."""

from __future__ import annotations

import polars as pl

from curate.reweighting.checks import check_columns, check_keys, check_rewards, check_values
from curate.reweighting.columns import dtype_of
from curate.reweighting.credit import with_tokens
from curate.reweighting.drawdown import capped, draw_down, drawn_to, is_initial
from curate.reweighting.duplicates import share_duplicates
from curate.reweighting.group import N_CORRECT, SIZE
from curate.reweighting.order import GROUP, KEY, Ordered, in_key_order
from curate.reweighting.recipe import REWARD, SHAPED, Recipe, needed_columns
from curate.reweighting.survey import Whole, collected, conclude, dataset_columns


def reweight(frame: pl.DataFrame, recipe: Recipe, draw: int | None = None) -> pl.DataFrame:
    """Check the samples, apply the recipe, and return the same rows in the same order with six more columns.

    ``frame`` has a row a sample, in any order: group_id, sample_index, reward (null = not judged), outcome (or
    rewards of 0, 1 and null only) and what ``needed_columns(recipe)`` names. Added, replacing columns of that name:

    - shaped: reward after shaping; null where not judged or where the recipe lacked a value that it reads
    - advantage, weight: null = dropped, else finite
    - drop_reason: the first of ``reasons.REASONS`` that applies; null = kept
    - group_size, n_correct: samples that took part in the group's statistics, and the correct ones among them
    - kl_scale, from a weighting that has it alone: factor of the sample's KL term; null = dropped
    - token_advantages, token_credit, from an estimator with a credit alone: lists of float32, null = dropped or none

    Equal completions (``completion_ids``, or ``completion`` where ids are null or not there) share their mean log-prob
    first (for the ranks only).
    Where ``stopping_rule`` is there and not null, a group trains on ``draw`` samples (n_initial unless given), the others
    are dropped as surplus, and advantages are cut at +-sqrt of that number: see ``draw_down``.
    A group of one is dropped as singleton (unless the recipe has no group statistics), a uniform group by the recipe's
    gate. A recipe that reads sums over the dataset, or weighs its groups, takes the frame for the dataset. Raises
    ConfigError for a missing column or rewards that the recipe is not defined for, ContractError for a key twice or
    null, NaN or infinity, an unknown outcome, or RTS outside [0, 1].
    """
    check_columns(frame, recipe)
    check_values(frame, recipe)
    shared = share_duplicates(frame)
    ordered = in_key_order(_inputs(shared, recipe, draw))
    check_keys(ordered)
    return with_tokens(frame.with_columns(_computed(ordered, recipe, None)), recipe)


def apply(frame: pl.DataFrame, recipe: Recipe, draw: int | None = None, whole: Whole | None = None) -> pl.DataFrame:
    """Do what ``reweight`` does without its checks of keys and numbers: for tables that a contract has checked.

    Columns and rewards are still checked against the recipe; log-probs of duplicates are taken as stored. ``whole`` is
    what ``conclude`` gives of the ``survey`` of all parts; without it the frame is the dataset.
    """
    check_columns(frame, recipe)
    return with_tokens(frame.with_columns(_computed(in_key_order(_inputs(frame, recipe, draw)), recipe, whole)), recipe)


def survey(frame: pl.DataFrame, recipe: Recipe, draw: int | None = None) -> pl.DataFrame:
    """Return what a recipe needs to know of other groups, a row a group: group_id and what it sums and collects.

    ``pl.concat`` over the parts of a dataset is the survey of the dataset, for ``conclude``.
    """
    check_columns(frame, recipe)
    samples, of_group = _judged(in_key_order(_inputs(frame, recipe, draw)), recipe)
    return collected(samples, of_group, recipe)


def _computed(ordered: Ordered, recipe: Recipe, whole: Whole | None) -> pl.DataFrame:
    """Compute the six columns, rows in the order of the input."""
    samples, of_group = _judged(ordered, recipe)
    others: list[str] = []
    if recipe.reads_dataset:
        known = dataset_columns(samples, whole or conclude(collected(samples, of_group, recipe), recipe))
        samples, others = samples.hstack(known), [name for name in known.columns if name in ("factor", "kl_scale")]
    advantage = recipe.advantage(SHAPED).over(GROUP)
    rows = samples.select(
        SHAPED,
        "left",
        "gated",
        *others,
        advantage=capped(advantage) if "drawn_to" in samples.columns else advantage,
        weight=_over_groups(recipe.weight),
    )
    return ordered.restore(rows.hstack(of_group).select(*_kept(others)))


def _judged(ordered: Ordered, recipe: Recipe) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the samples with their shaped reward, and beside them what is one value a group."""
    samples = _leave(draw_down(ordered.frame) if "drawn_to" in ordered.frame.columns else ordered.frame, recipe)
    samples = samples.with_columns(shaped=recipe.shaped.over(GROUP))
    of_group = _group_columns(samples, recipe).select(pl.all().gather(samples[GROUP]))
    return samples.with_columns(gated=_over_groups(recipe.gate)), of_group


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
    by_outcomes = pl.when(pl.col("barred") != "gated").then("barred")
    return groups.select(
        "group_size", "n_correct", "degenerate", dropped=pl.coalesce(single, by_outcomes, no_signal, "barred")
    )


def _inputs(frame: pl.DataFrame, recipe: Recipe, draw: int | None) -> pl.DataFrame:
    """Select the key and what the recipe reads, numbers as float64, with ``correct`` in place of ``outcome``.

    With ``drawn_to`` where a stopping rule drew a group.
    """
    has_outcome = "outcome" in frame.columns
    outcome = pl.col("outcome").cast(pl.String) == "correct" if has_outcome else REWARD == 1
    needed = needed_columns(recipe)
    stored = [column for column in needed if column not in ("outcome", "n_initial")]
    inputs = frame.select(
        *KEY,
        *(pl.col(column).cast(dtype_of(column)) for column in stored),
        correct=pl.when(REWARD.is_not_null()).then(outcome),
    )
    if "n_initial" in needed:
        inputs = inputs.with_columns(initial=pl.when(is_initial(frame)).then("correct"))
    check_rewards(inputs, recipe, has_outcome)
    size = drawn_to(frame, draw)
    return inputs if size is None else inputs.with_columns(size)


def _leave(samples: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Null every input of the samples that do not take part, with the reason in ``left``."""
    samples = samples.with_columns(solved="correct")
    has_lists = any(dtype.is_nested() for dtype in samples.dtypes)  # what a list lacks is not a null
    if not has_lists and not samples.null_count().select(pl.sum_horizontal(pl.all())).item():
        return samples.with_columns(left=pl.lit(None, pl.String))
    reasons = [pl.when(pl.col("surplus")).then(pl.lit("surplus"))] if "surplus" in samples.columns else []
    reasons.append(pl.when(REWARD.is_null()).then(pl.lit("unjudged")))
    for reason, missing in recipe.missing.items():
        reasons.append(pl.when(missing.over(GROUP)).then(pl.lit(reason)))
    inputs = pl.exclude(*KEY, GROUP, "solved", "initial", "left", "drawn_to", "surplus")
    return samples.with_columns(left=pl.coalesce(reasons)).with_columns(
        pl.when(pl.col("left").is_null()).then(inputs).name.keep()
    )


def _over_groups(expression: pl.Expr) -> pl.Expr:
    """Evaluate an expression in each group; a constant needs no groups."""
    return expression.over(GROUP) if expression.meta.root_names() else expression


def _kept(others: list[str]) -> list[pl.Expr]:
    """Null what was dropped and give degenerate groups that are kept an advantage of exactly 0."""
    reason = pl.coalesce("left", "dropped", "gated")
    advantage = pl.when(pl.col("degenerate")).then(0.0).otherwise("advantage")
    weight = pl.col("weight") * pl.col("factor") if "factor" in others else pl.col("weight")
    return [
        SHAPED,
        pl.when(reason.is_null()).then(advantage).alias("advantage"),
        pl.when(reason.is_null()).then(weight).alias("weight"),
        reason.alias("drop_reason"),
        pl.col("group_size", "n_correct"),
        *(pl.when(reason.is_null()).then("kl_scale").alias("kl_scale") for name in others if name == "kl_scale"),
    ]
