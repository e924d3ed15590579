"""Credit from Monte-Carlo values: what the expected reward gains from one place of a completion to the next."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.errors import ContractError
from curate.reweighting.pieces import Credit

KEPT, REWARDS, LENGTH = "branch_kept", "branch_rewards", "n_ids"
_ROW = "row"
_SURE = 2.0  # standard errors


def prompt_value(least_n: int) -> pl.Expr:
    """Return the value of the bare prompt: the mean reward of its continuations; null with fewer than ``least_n``."""
    first = pl.when(pl.col(KEPT).list.first() == 0).then(pl.col(REWARDS).list.first())
    return pl.when(first.list.drop_nulls().list.len() >= least_n).then(first.list.mean())


def step_credit(least_n: int, *, is_shared: bool) -> Credit:
    """Credit every step with the value after it less the value before it: the last with the shaped reward.

    ``branch_kept`` (ascending) says how many tokens each state keeps, ``branch_rewards`` what its continuations got, a
    null not counted. The value of a state is their mean; one with fewer than ``least_n`` is passed over, so that two
    steps become one. Every token of a step gets its whole credit, or, ``is_shared``, an even share of it: the values
    between two states then lie on a line. A completion without tokens gets an empty list.
    """

    def tokens(frame: pl.DataFrame) -> pl.DataFrame:
        steps = _steps(frame, least_n)
        credit = pl.col("credit") / pl.col("n") if is_shared else pl.col("credit")
        of_sample = steps.group_by(_ROW, maintain_order=True).agg(token_advantages=credit.repeat_by("n").explode())
        rows = frame.select("advantage").with_row_index(_ROW)
        return rows.join(of_sample, on=_ROW, how="left", maintain_order="left").select("token_advantages")

    return Credit(tokens, (KEPT, REWARDS, LENGTH), lambda frame: _counts(frame, least_n), _told)


def _states(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a row a stored state of a kept sample: row, kept, value, n judged, standard error of the value."""
    lists = frame.with_row_index(_ROW).filter(pl.col("advantage").is_not_null())
    states = lists.select(_ROW, LENGTH, "shaped", kept=KEPT, rewards=pl.col(REWARDS).cast(pl.List(pl.List(pl.Float64))))
    states = states.explode("kept", "rewards").filter(pl.col("rewards").is_not_null())
    late = states.filter(pl.col("kept") >= pl.col(LENGTH)).height
    if late:
        raise ContractError(
            f"{late:,} branches start behind the end of their completions: they belong to other samples, branch again"
        )
    n = pl.col("rewards").list.drop_nulls().list.len()
    error = pl.col("rewards").list.drop_nulls().list.std() / n.sqrt()
    return states.with_columns(value=pl.col("rewards").list.mean(), judged=n, error=error).drop("rewards")


def _steps(frame: pl.DataFrame, least_n: int) -> pl.DataFrame:
    """Return a row a step of a kept sample: row, n tokens, credit, and its standard error."""
    states = _states(frame).filter(pl.col("judged") >= least_n)
    is_last = (pl.col(_ROW) != pl.col(_ROW).shift(-1)).fill_null(True)
    after = pl.when(is_last).then("shaped").otherwise(pl.col("value").shift(-1))
    end = pl.when(is_last).then(LENGTH).otherwise(pl.col("kept").shift(-1))
    error_after = pl.when(is_last).then(0.0).otherwise(pl.col("error").shift(-1))
    return states.select(
        _ROW,
        n=(end - pl.col("kept")).cast(pl.UInt32),
        credit=after - pl.col("value"),
        error=(pl.col("error").pow(2) + error_after.pow(2)).sqrt(),
    )


def _counts(frame: pl.DataFrame, least_n: int) -> dict[str, float]:
    """Sum what the values rest on: states, those used, their standard errors, steps and those that are clearly not 0."""
    states = _states(frame)
    used = states.filter(pl.col("judged") >= least_n)
    steps = _steps(frame, least_n)
    return {
        "samples": float(frame["advantage"].count()),
        "states": float(states.height),
        "states_used": float(used.height),
        "states_with_error": float(used["error"].count()),
        "sum_standard_error": float(used["error"].sum()),
        "continuations_judged": float(used["judged"].sum()),
        "steps": float(steps.height),
        "steps_clear": float(steps.filter(pl.col("credit").abs() > _SURE * pl.col("error")).height),
    }


def _told(sums: Mapping[str, float]) -> list[str]:
    states, used, steps = sums["states"], sums["states_used"], sums["steps"]
    if not used:
        return ["no sample has a branch that could be used"]
    with_error = sums["states_with_error"]
    error = f"{sums['sum_standard_error'] / with_error:.3f}" if with_error else "not known"
    return [
        f"values of {used:,.0f} of {states:,.0f} places used ({used / states:.1%}), from "
        f"{sums['continuations_judged'] / used:.1f} judged continuations each; mean standard error {error} (0 where all "
        f"were alike, which few continuations often are)",
        f"{steps:,.0f} steps in {sums['samples']:,.0f} completions; the credit of {sums['steps_clear'] / steps:.1%} is more "
        "than two standard errors from 0",
    ]
