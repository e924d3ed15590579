"""Checks of a plain frame against a recipe, before anything is computed."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError, ContractError
from curate.reweighting.order import KEY, Ordered
from curate.reweighting.recipe import CORRECT, REWARD, Recipe, needed_columns

_COMMANDS = {
    **dict.fromkeys(("group_id", "sample_index"), "curate import PATH --to DIR"),
    **dict.fromkeys(("reward", "outcome"), "curate verify DIR --verifier NAME"),
    **dict.fromkeys(("mean_logprob", "sum_logprob", "n_tokens"), "curate logprob DIR --model PATH"),
    **dict.fromkeys(("rts", "n_steps", "first_error_step"), "curate judge DIR --server URL --model M"),
}


def check_columns(frame: pl.DataFrame, recipe: Recipe) -> None:
    """Raise ConfigError for a column that the recipe reads and the frame lacks or holds as text.

    ``outcome`` may be absent: rewards of 0, 1 and null then say who is correct (``check_rewards``).
    """
    numbers = [column for column in needed_columns(recipe) if column != "outcome"]
    for column in (*KEY, *numbers):
        if column not in frame.columns:
            command = f": run `{_COMMANDS[column]}`" if column in _COMMANDS else ""
            raise ConfigError(f"{recipe.name} reads the column {column}, which is not there{command}")
    for column in numbers:
        dtype = frame.schema[column]
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise ConfigError(f"{recipe.name} reads {column} as a number, but its type is {dtype}")


def check_numbers(frame: pl.DataFrame, recipe: Recipe) -> None:
    """Raise ContractError for NaN or infinity in a column that the recipe reads, with the count and the first key."""
    floats = [column for column in needed_columns(recipe) if frame.schema.get(column, pl.Null()).is_float()]
    finite = frame.select(pl.col(floats).is_finite().all())
    broken = [column for column in floats if not finite[column].item()]
    if broken:
        counts = (_count(frame.filter(~pl.col(column).is_finite()), f"{column} is NaN or infinite") for column in broken)
        raise ContractError("; ".join(counts) + ": an unknown value must be null")


def check_keys(ordered: Ordered) -> None:
    """Raise ContractError for a key that is null or there twice, with the count and the first key."""
    frame = ordered.frame
    if any(frame[column].null_count() for column in KEY):
        nulls = frame.filter(pl.any_horizontal(pl.col(KEY).is_null()))
        raise ContractError(_count(nulls, "group_id or sample_index is null"))
    # In ascending order there is no key twice: only a frame that had to be sorted needs the look.
    if ordered.came_from is not None:
        again = frame.filter(pl.all_horizontal(pl.col(*KEY) == pl.col(*KEY).shift()))
        if again.height:
            raise ContractError(_count(again, "(group_id, sample_index) is there more than once"))


def check_rewards(samples: pl.DataFrame, recipe: Recipe) -> None:
    """Raise ConfigError where the recipe is not defined for these rewards or outcomes.

    ``samples`` has ``reward`` and ``correct`` (null = not known).
    """


def _count(rows: pl.DataFrame, what: str) -> str:
    group_id, sample_index = rows.select(KEY).row(0)
    return f"{what}: {rows.height} rows, first group_id {group_id!r}, sample_index {sample_index!r}"
