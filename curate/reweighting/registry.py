"""The catalogue: recipes by name, and the check of their parameters from the function's own signature."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, ParamSpec, get_args, get_origin, get_type_hints

from curate.errors import ConfigError, did_you_mean
from curate.reweighting.recipe import Recipe, Rewards, needed_columns

P = ParamSpec("P")


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue. ``example`` has a value for every parameter without a default."""

    make: Callable[..., Recipe]
    rewards: Rewards
    source: tuple[str, ...]
    example: Mapping[str, Any]


_ENTRIES: dict[str, Entry] = {}


def register(
    *, rewards: Rewards, source: Iterable[str], **example: Any
) -> Callable[[Callable[P, Recipe]], Callable[P, Recipe]]:
    """Register a recipe under its function's name, and check its arguments on every call.

    The recipe gets its name, ``rewards``, ``source`` and all its parameters. A preset (a function that calls
    another recipe) keeps the parameters of the recipe it calls.
    """

    def decorate(function: Callable[P, Recipe]) -> Callable[P, Recipe]:
        name = function.__name__
        signature = inspect.signature(function)
        sources = tuple(source)

        def make(*args: P.args, **kwargs: P.kwargs) -> Recipe:
            arguments = _bind(name, signature, get_type_hints(function), args, kwargs)
            made = function(**arguments)  # type: ignore[call-arg]
            return replace(
                made,
                name=name,
                parameters={**made.parameters, **arguments},
                rewards=rewards,
                source=sources,
            )

        make.__name__, make.__doc__, make.__module__ = name, function.__doc__, function.__module__
        make.__wrapped__ = function  # type: ignore[attr-defined]
        _ENTRIES[name] = Entry(make, rewards, sources, example)
        return make

    return decorate


def build(name: str, parameters: Mapping[str, Any] | None = None) -> Recipe:
    """Build a recipe by name from values as TOML gives them.

    Raises ConfigError, with what is known, for an unknown recipe or parameter, a missing one, or a wrong value.
    """
    return _entry(name).make(**(parameters or {}))


def names() -> list[str]:
    """List the names of all recipes."""
    return sorted(_ENTRIES)


def describe(name: str) -> dict[str, Any]:
    """Describe one recipe for the catalogue, JSON-able.

    Gives name, doc, rewards, source, needed_columns (with the defaults) and parameters: each with name, type,
    required and default.
    """
    entry = _entry(name)
    signature = inspect.signature(entry.make)
    hints = get_type_hints(inspect.unwrap(entry.make))
    return {
        "name": name,
        "doc": inspect.getdoc(entry.make) or "",
        "rewards": entry.rewards,
        "source": list(entry.source),
        "needed_columns": list(needed_columns(entry.make(**entry.example))),
        "parameters": [
            {
                "name": parameter.name,
                "type": _type_name(hints[parameter.name]),
                "required": parameter.default is parameter.empty,
                "default": None if parameter.default is parameter.empty else parameter.default,
            }
            for parameter in signature.parameters.values()
        ],
    }


def _entry(name: str) -> Entry:
    if name not in _ENTRIES:
        raise ConfigError(f"no recipe {name!r}{did_you_mean(name, _ENTRIES)}; known: {', '.join(names())}")
    return _ENTRIES[name]


def _bind(
    recipe: str,
    signature: inspect.Signature,
    hints: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    known = signature.parameters
    listed = f"its parameters: {', '.join(known)}" if known else "it has no parameters"
    for name in kwargs:
        if name not in known:
            raise ConfigError(f"{recipe} has no parameter {name!r}{did_you_mean(name, known)}; {listed}")
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigError(f"{recipe}: {error}; {listed}") from None
    bound.apply_defaults()
    return {name: _checked(recipe, name, value, hints[name]) for name, value in bound.arguments.items()}


def _checked(recipe: str, name: str, value: Any, hint: Any) -> Any:
    options = get_args(hint)
    if get_origin(hint) is Literal:
        if isinstance(value, str) and value in options:
            return value
        suggestion = did_you_mean(value, options) if isinstance(value, str) else ""
    elif NoneType in options:
        return None if value is None else _checked(recipe, name, value, options[0])
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
            return float(value)
        suggestion = ""
    else:
        if type(value) is hint:
            return value
        suggestion = ""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise ConfigError(f"{recipe}: {name} must be {_type_name(hint)}, got {shown}{suggestion}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond float64
        return False


def _type_name(hint: Any) -> str:
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return " | ".join(f'"{option}"' for option in options)
    if NoneType in options:
        return f"{_type_name(options[0])} or unset"
    names = {float: "a finite number", int: "a whole number", bool: "true or false"}
    return names[hint]
