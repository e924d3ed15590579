"""Compose a recipe from the names of its pieces, as job files and command lines give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from curate.errors import ConfigError, did_you_mean
from curate.reweighting.compose import compose, with_gate, with_weighting
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import Kind, build, build_piece, entry

Settings = Mapping[str, Any]
Named = list[tuple[Kind, str]]


def compose_named(
    recipe: str | None = None,
    *,
    estimator: str | None = None,
    shape: Sequence[str] = (),
    gate: Sequence[str] = (),
    weighting: str | None = None,
    settings: Settings | None = None,
) -> Recipe:
    """Build a recipe by name, perhaps with gates before it and a weighting on top, or compose one of an estimator.

    ``settings`` has the parameters of the recipe, and those of a piece in a table under its name. Without ``gate`` a
    composition has the gate that its pieces ask for. Raises ConfigError, with what is known, for an unknown name or
    parameter, a piece named twice, and for pieces that do not go together.
    """
    pieces: Named = [*(("gate", name) for name in gate), *(("shaping", name) for name in shape)]
    pieces += [("estimator", estimator)] if estimator else []
    pieces += [("weighting", weighting)] if weighting else []
    _refuse(recipe, estimator, shape, pieces)
    given = dict(settings or {})
    tables = {name: _table(name, given.pop(name, {})) for _, name in pieces}
    if recipe is None:
        _refuse_settings(given, pieces)
    built = {(kind, name): build_piece(kind, name, tables[name]) for kind, name in pieces}
    gates = [built["gate", name] for name in gate]
    if recipe is not None:
        named = build(recipe, given)
        composed = with_gate(named, *gates) if gates else named
    else:
        composed = compose(
            built["estimator", str(estimator)], [built["shaping", name] for name in shape], gates or None
        )
    if weighting is not None:
        composed = with_weighting(composed, built["weighting", weighting])
    if recipe is None:
        return replace(composed, parameters=composed.composition)
    kinds = {str(kind) for kind, _ in pieces}
    added = {kind: made for kind, made in composed.composition.items() if kind in kinds}
    return replace(composed, parameters={**named.parameters, **added})


def _refuse(recipe: str | None, estimator: str | None, shape: Sequence[str], pieces: Named) -> None:
    if recipe is None and estimator is None:
        raise ConfigError(
            "give recipe (--recipe NAME), or estimator (--estimator NAME) to compose one: `curate recipes` lists both"
        )
    if recipe is not None and (estimator is not None or shape):
        raise ConfigError(
            f"recipe {recipe} has its estimator and shaping: leave recipe away to compose one, or add only gate and weighting"
        )
    if recipe is not None:
        entry("recipe", recipe)
    for kind, name in pieces:
        entry(kind, name)
    names = [name for _, name in pieces]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name} is named twice: a piece acts once, and its name is that of its parameters")


def _table(name: str, value: Any) -> Settings:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} is a piece of the recipe: set its parameters, as in {name}.PARAMETER = VALUE")
    return value


def _refuse_settings(left: Settings, pieces: Named) -> None:
    names = [name for _, name in pieces]
    for name in left:
        raise ConfigError(
            f"no piece {name!r} to set{did_you_mean(name, [*names, 'recipe', 'gate', 'shape', 'weighting'])}; this recipe is made of {', '.join(names)}: "
            "set a parameter as PIECE.PARAMETER = VALUE"
        )
