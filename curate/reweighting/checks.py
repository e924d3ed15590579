"""Checks of a plain frame against a recipe, before anything is computed."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError, ContractError
from curate.reweighting.columns import IMPORT, column_of, dtype_of, is_text
from curate.reweighting.order import KEY, Ordered
from curate.reweighting.recipe import CORRECT, REWARD, Recipe, needed_columns

_TEXT = (pl.String, pl.Categorical, pl.Enum, pl.Null)
OUTCOMES = ("correct", "incorrect", "unparsable", "timeout", "error")


def check_columns(frame: pl.DataFrame, recipe: Recipe) -> None:
    """Raise ConfigError for a column that the recipe reads and the frame lacks or holds as text.

    ``outcome`` may be absent: rewards of 0, 1 and null then say who is correct (``check_rewards``); ``n_initial`` too: no
    stopping rule then drew a group.
    """
    needed = [column for column in needed_columns(recipe) if column not in ("outcome", "n_initial")]
    for column in (*KEY, *needed):
        if column not in frame.columns:
            raise ConfigError(f"{recipe.name} reads the column {column}, which is not there{_made_by(column)}")
    for column in (column for column in needed if not is_text(column)):
        dtype = frame.schema[column]
        if dtype_of(column).is_nested():
            if not (dtype.is_nested() or dtype == pl.Null):
                raise ConfigError(f"{recipe.name} reads {column} as a list, but its type is {dtype}")
        elif not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise ConfigError(f"{recipe.name} reads {column} as a number, but its type is {dtype}")
    if "outcome" in frame.columns and frame.schema["outcome"].base_type() not in _TEXT:
        raise ConfigError(f"outcome must be text ({', '.join(OUTCOMES)}), but its type is {frame.schema['outcome']}")


def check_values(frame: pl.DataFrame, recipe: Recipe) -> None:
    """Raise ContractError for NaN, infinity, an RTS outside [0, 1] or an unknown outcome, each with its first key."""
    rules: dict[str, pl.Expr] = {}
    for column in needed_columns(recipe):
        if column in frame.columns and frame.schema[column].is_float():
            rules[f"{column} is NaN or infinite: an unknown value must be null"] = ~pl.col(column).is_finite()
        if column == "rts":
            rules["rts is outside [0, 1]"] = ~pl.col("rts").is_between(0, 1)
        if column == "outcome" and "outcome" in frame.columns:
            rules[f"outcome is none of {', '.join(OUTCOMES)}"] = ~pl.col("outcome").cast(pl.String).is_in(OUTCOMES)
    found = frame.select(rule.any().alias(text) for text, rule in rules.items())
    broken = [_count(frame.filter(rule), text) for text, rule in rules.items() if found[text].item()]
    if broken:
        raise ContractError("; ".join(broken))


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


def check_rewards(samples: pl.DataFrame, recipe: Recipe, has_outcome: bool) -> None:
    """Raise ConfigError where the recipe is not defined for these rewards and outcomes.

    ``samples`` has ``reward`` and ``correct`` (null = not judged, or not known). Without an outcome column rewards
    must be 0, 1 or null. A recipe for binary rewards wants 1 where the outcome is correct and 0 elsewhere.
    """
    found = samples.select(
        binary=((REWARD == 0) | (REWARD == 1)).all(),
        negative=(REWARD < 0).any(),
        unknown=(REWARD.is_not_null() & CORRECT.is_null()).sum(),
        at_odds=((REWARD == 1) != CORRECT).sum(),
    ).row(0, named=True)
    if not has_outcome and not found["binary"]:
        raise ConfigError(
            f"{recipe.name} counts correct samples, and rewards other than 0 and 1 do not say which are: add an "
            "outcome column ('correct' or 'incorrect'), or import with --correct-when 'reward > 0'"
        )
    if found["unknown"]:
        raise ConfigError(
            f"{recipe.name} counts correct samples, but {found['unknown']} rows have a reward and no outcome: "
            "import with --correct-when 'reward > 0'"
        )
    if (recipe.rewards == "binary" and not found["binary"]) or (recipe.rewards == "non_negative" and found["negative"]):
        raise ConfigError(
            f"{recipe.name} is defined for {recipe.rewards} rewards only, and the frame has others: "
            "verify again for rewards of 0 and 1, or use a recipe for real rewards (`curate recipes`)"
        )
    if recipe.rewards == "binary" and found["at_odds"]:
        raise ConfigError(
            f"{recipe.name} is defined for rewards of 1 where the outcome is correct and 0 elsewhere, and "
            f"{found['at_odds']} rows differ: verify again, or use a recipe for real rewards (`curate recipes`)"
        )


def _made_by(name: str) -> str:
    known = column_of(name)
    command = IMPORT if name in KEY else known.command if known else None
    return f": run `{command}`" if command else ""


def _count(rows: pl.DataFrame, what: str) -> str:
    group_id, sample_index = rows.select(KEY).row(0)
    return f"{what}: {rows.height} rows, first group_id {group_id!r}, sample_index {sample_index!r}"
