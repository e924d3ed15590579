"""What makes an imported sample correct: a condition on its reward, the source's accuracy, or rewards of 0 and 1."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from curate.errors import ConfigError


class Judging(NamedTuple):
    """What the whole source says of correctness: the expression of ``correct``, and which tables there are."""

    correct: pl.Expr
    has_verdicts: bool
    has_advantages: bool
    has_scores: bool = False


def correct_expression(correct_when: str | None, is_binary: bool) -> pl.Expr:
    """Say when a sample is correct: the user's condition, else the source's accuracy, else a reward of 1 among 0 and 1.

    Null where none of them says; a null reward is never correct nor incorrect.
    """
    if correct_when is not None:
        return compile_condition(correct_when)
    by_reward = pl.col("reward") == 1 if is_binary else pl.lit(None, pl.Boolean)
    return pl.coalesce(pl.col("accuracy"), by_reward)


def compile_condition(condition: str) -> pl.Expr:
    """Compile ``--correct-when``, an SQL condition on ``reward`` alone, such as ``reward > 0``.

    ConfigError where it is not SQL, not true or false, uses another column, or looks beyond one row.
    """
    probe = pl.DataFrame({"reward": [-1.0, 0.0, 0.25, 1.0, 7.0, None]})
    try:
        expression = pl.sql_expr(condition)
        whole = probe.with_columns(correct=expression)["correct"]
        alone = [probe[i : i + 1].with_columns(correct=expression)["correct"][0] for i in range(len(probe))]
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"--correct-when {condition}: not a condition on reward: {error}") from None
    if whole.dtype != pl.Boolean:
        raise ConfigError(f"--correct-when {condition}: gives {whole.dtype}, not true or false; write reward > 0")
    if whole.to_list() != alone:
        raise ConfigError(f"--correct-when {condition}: must decide by the sample's own reward alone")
    return expression
