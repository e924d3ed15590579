"""Compose a recipe of gates, shapings, an estimator and perhaps a weighting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.gates.outcomes import groups
from curate.reweighting.group import uniform
from curate.reweighting.pieces import NO_REASON, Estimator, Gate, Shaping, Weighting, strictest, widest
from curate.reweighting.reasons import REASONS
from curate.reweighting.recipe import REWARD, SHAPED, Recipe


def compose(
    estimator: Estimator,
    shape: Sequence[Shaping] = (),
    gate: Sequence[Gate] | None = None,
    weighting: Weighting | None = None,
) -> Recipe:
    """Return the recipe of these pieces.

    The shapings change the reward in order; a group trains where every gate lets it, and is dropped for the first
    reason of the closed list that a gate gives; a sample for the first reason of the gates, then of the estimator. A
    group is degenerate where its shaped rewards are uniform, unless the estimator has a signal there, or where a
    shaping says so. The recipe is defined for the rewards that every piece is defined for.
    Without ``gate`` the gate is the widest that a piece asks for: mixed groups, unless it teaches from others too.
    Raises ConfigError for a shaping of the reward before an estimator that reads the outcome alone: it would do nothing.
    """
    _refuse_unread(estimator, shape)
    makers: list[Estimator | Shaping] = [*shape, estimator]
    gates = tuple(gate) if gate is not None else (groups(widest([each.keep_groups for each in makers])),)
    trains = _all([each.trains for each in gates])
    shaped = REWARD
    for each in shape:
        shaped = each.shape(shaped, trains)
    opinions = [each.keep_uniform for each in gates if each.keep_uniform is not None]
    return Recipe(
        shaped=shaped,
        advantage=_then(estimator.advantage, [each.after for each in shape if each.after]),
        degenerate=_any([_uniform(estimator), *(each.no_signal for each in shape if each.no_signal is not None)]),
        drop=_first_of_groups([each.drop for each in gates]),
        gate=_first([*(each.sample for each in gates), estimator.sample]),
        missing=_missing([each.missing(trains) for each in makers]),
        weight=estimator.weight,
        batch=estimator.batch,
        needs_group=estimator.needs_group,
        keep_degenerate=bool(opinions) and all(opinions),
        rewards=strictest([each.rewards for each in makers]),
        estimator=estimator,
        gates=gates,
        shapings=tuple(shape),
        weighting=weighting,
        name="+".join([*(each.name for each in gates), *(each.name for each in makers)]),
    )


def _refuse_unread(estimator: Estimator, shape: Sequence[Shaping]) -> None:
    read = {root for step in (estimator.advantage(SHAPED), estimator.weight) for root in step.meta.root_names()}
    for each in shape:
        if "shaped" not in read and not each.shape(REWARD, pl.lit(True)).meta.eq(REWARD):
            raise ConfigError(
                f"{estimator.name or 'the estimator'} does not read the shaped reward, so {each.name or 'the shaping'} would "
                "change nothing: leave it away, or choose another estimator"
            )


def with_gate(recipe: Recipe, *gates: Gate) -> Recipe:
    """Return the recipe with more gates before its own: no sample trains that did not. Name, parameters, source stay."""
    made = compose(recipe.estimator, recipe.shapings, (*gates, *recipe.gates), recipe.weighting)
    return replace(
        made,
        keep_degenerate=recipe.keep_degenerate and made.keep_degenerate,
        name=recipe.name,
        parameters=recipe.parameters,
        rewards=recipe.rewards,
        source=recipe.source,
    )


def with_weighting(recipe: Recipe, weighting: Weighting) -> Recipe:
    """Return the recipe with its groups weighed by ``weighting``, in place of one it has."""
    return replace(recipe, weighting=weighting)


def _then(
    estimate: Callable[[pl.Expr], pl.Expr], after: Sequence[Callable[[pl.Expr], pl.Expr]]
) -> Callable[[pl.Expr], pl.Expr]:
    def advantage(shaped: pl.Expr) -> pl.Expr:
        made = estimate(shaped)
        for change in after:
            made = change(made)
        return made

    return advantage


def _uniform(estimator: Estimator) -> pl.Expr:
    return pl.lit(False) if estimator.has_signal_if_uniform else uniform()


def _any(conditions: Sequence[pl.Expr]) -> pl.Expr:
    return conditions[0] if len(conditions) == 1 else pl.any_horizontal(conditions)


def _all(conditions: Sequence[pl.Expr]) -> pl.Expr:
    if not conditions:
        return pl.lit(True)
    return conditions[0] if len(conditions) == 1 else pl.all_horizontal(conditions)


def _first(reasons: Sequence[pl.Expr]) -> pl.Expr:
    """Return the first reason that is not null."""
    asked = _asked(reasons)
    return (pl.coalesce(asked) if len(asked) > 1 else asked[0]) if asked else NO_REASON


def _first_of_groups(reasons: Sequence[pl.Expr]) -> pl.Expr:
    """Return the first reason of the closed list: what the outcomes say goes before ``gated``, whichever gate came first."""
    asked = _asked(reasons)
    if len(asked) < 2:
        return _first(asked)
    return pl.coalesce(*(pl.when(reason != "gated").then(reason) for reason in asked), *asked)


def _asked(reasons: Sequence[pl.Expr]) -> list[pl.Expr]:
    return [reason for reason in reasons if not reason.meta.eq(NO_REASON)]


def _missing(asked: Sequence[Mapping[str, pl.Expr]]) -> dict[str, pl.Expr]:
    """Put the reasons in the order of the closed list; a reason that several pieces give is true where one of them is."""
    merged: dict[str, list[pl.Expr]] = {}
    for reasons in asked:
        for reason, condition in reasons.items():
            merged.setdefault(reason, []).append(condition)
    return {reason: _any(merged[reason]) for reason in sorted(merged, key=REASONS.index)}
