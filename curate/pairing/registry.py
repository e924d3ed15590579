"""The catalogue of pair recipes: signature = parameters, docstring = catalogue text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from inspect import signature
from typing import ParamSpec

from curate.errors import ConfigError, did_you_mean
from curate.pairing.recipe import PairRecipe

P = ParamSpec("P")


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue; ``make`` has the recipe's signature and docstring."""

    make: Callable[..., PairRecipe]
    source: tuple[str, ...]


_ENTRIES: dict[str, Entry] = {}


def register(*source: str) -> Callable[[Callable[P, PairRecipe]], Callable[P, PairRecipe]]:
    """Register a recipe under its function's name; it gets that name, all its parameters and ``source``."""

    def decorate(function: Callable[P, PairRecipe]) -> Callable[P, PairRecipe]:
        @wraps(function)
        def make(*args: P.args, **kwargs: P.kwargs) -> PairRecipe:
            bound = signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            made = function(*args, **kwargs)
            return replace(made, name=function.__name__, parameters=dict(bound.arguments), source=source)

        _ENTRIES[function.__name__] = Entry(make, source)
        return make

    return decorate


def names() -> list[str]:
    """List the names of all pair recipes."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """Return the catalogue's row; raises ConfigError, with what is known, for an unknown name."""
    if name not in _ENTRIES:
        raise ConfigError(f"no recipe of pairs {name!r}{did_you_mean(name, names())}; known: {', '.join(names())}")
    return _ENTRIES[name]
