"""The catalogue: recipes and their pieces by name, and the check of their parameters from the function's own signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, ParamSpec, TypeVar, get_type_hints

from curate.errors import ConfigError, did_you_mean
from curate.reweighting.parameters import bind
from curate.reweighting.pieces import Estimator, Gate, Rewards, Shaping, Weighting
from curate.reweighting.recipe import Recipe

P = ParamSpec("P")
Piece = TypeVar("Piece", Gate, Shaping, Estimator, Weighting)
Kind = Literal["recipe", "gate", "shaping", "estimator", "weighting"]
KINDS: tuple[Kind, ...] = ("recipe", "gate", "shaping", "estimator", "weighting")


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue. ``example`` has a value for every parameter without a default.

    ``affine`` is true of a recipe whose advantages stay as they are, up to a positive factor, where all rewards are
    scaled by one positive factor and moved by one offset: the laws of the tests hold it to that.
    """

    make: Callable[..., Any]
    family: str
    example: Mapping[str, Any]
    source: tuple[str, ...] = ()
    affine: bool = False


_ENTRIES: dict[Kind, dict[str, Entry]] = {kind: {} for kind in KINDS}


def register(
    *, source: Iterable[str], rewards: Rewards | None = None, affine: bool = False, **example: Any
) -> Callable[[Callable[P, Recipe]], Callable[P, Recipe]]:
    """Register a recipe under its function's name, and check its arguments on every call.

    The recipe gets its name, ``source`` and all its parameters, and keeps the rewards that its pieces are defined for
    unless ``rewards`` says otherwise. A preset (a function that calls another recipe) keeps the parameters of the
    recipe it calls. ``example`` gives a value for every parameter without a default.
    """
    sources = tuple(source)

    def decorate(function: Callable[P, Recipe]) -> Callable[P, Recipe]:
        def named(made: Recipe, name: str, arguments: dict[str, Any]) -> Recipe:
            parameters = {**made.parameters, **arguments}
            return replace(made, name=name, parameters=parameters, rewards=rewards or made.rewards, source=sources)

        make = _checked(function, named)
        _enter("recipe", Entry(make, _family(function), example, sources, affine))
        return make

    return decorate


def gate(**example: Any) -> Callable[[Callable[P, Gate]], Callable[P, Gate]]:
    """Register a gate under its function's name, as ``register`` does a recipe; it gets its name and parameters."""
    return _piece("gate", example)


def shaping(**example: Any) -> Callable[[Callable[P, Shaping]], Callable[P, Shaping]]:
    """Register a shaping under its function's name, as ``register`` does a recipe; it gets its name and parameters."""
    return _piece("shaping", example)


def estimator(**example: Any) -> Callable[[Callable[P, Estimator]], Callable[P, Estimator]]:
    """Register an estimator under its function's name, as ``register`` does a recipe; it gets its name and parameters."""
    return _piece("estimator", example)


def weighting(**example: Any) -> Callable[[Callable[P, Weighting]], Callable[P, Weighting]]:
    """Register a weighting under its function's name, as ``register`` does a recipe; it gets its name and parameters."""
    return _piece("weighting", example)


def _piece(kind: Kind, example: Mapping[str, Any]) -> Callable[[Callable[P, Piece]], Callable[P, Piece]]:
    def decorate(function: Callable[P, Piece]) -> Callable[P, Piece]:
        make = _checked(function, lambda made, name, arguments: replace(made, name=name, parameters=arguments))
        _enter(kind, Entry(make, _family(function), example))
        return make

    return decorate


T = TypeVar("T")


def _checked(function: Callable[P, T], finish: Callable[[T, str, dict[str, Any]], T]) -> Callable[P, T]:
    name = function.__name__.rstrip("_")  # all_ is the gate "all"
    signature = inspect.signature(function)

    def make(*args: P.args, **kwargs: P.kwargs) -> T:
        arguments = bind(name, signature, get_type_hints(function), args, kwargs)
        return finish(function(**arguments), name, arguments)  # type: ignore[call-arg]

    make.__name__, make.__doc__, make.__module__ = name, function.__doc__, function.__module__
    make.__wrapped__ = function  # type: ignore[attr-defined]
    return make


def _enter(kind: Kind, entry: Entry) -> None:
    name = entry.make.__name__
    assert name not in _ENTRIES[kind], f"there are two {kind}s called {name}"
    _ENTRIES[kind][name] = entry


def _family(function: Callable[..., Any]) -> str:
    """Return the file's name in words: the recipes of one file are a family."""
    return function.__module__.rpartition(".")[2].replace("_", " ")


def build(name: str, parameters: Mapping[str, Any] | None = None) -> Recipe:
    """Build a recipe by name from values as TOML gives them.

    Raises ConfigError, with what is known, for an unknown recipe or parameter, a missing one, or a wrong value.
    """
    made = build_piece("recipe", name, parameters)
    assert isinstance(made, Recipe)
    return made


def build_piece(kind: Kind, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Build a recipe, gate, shaping, estimator or weighting by name; errors as ``build``."""
    return entry(kind, name).make(**(parameters or {}))


def names(kind: Kind = "recipe") -> list[str]:
    """List the names of all recipes, or of all pieces of a kind."""
    return sorted(_ENTRIES[kind])


def entry(kind: Kind, name: str) -> Entry:
    """Return the catalogue's row; raises ConfigError, with what is known, for an unknown name."""
    known = _ENTRIES[kind]
    if name not in known:
        raise ConfigError(f"no {kind} {name!r}{did_you_mean(name, known)}; known: {', '.join(names(kind))}")
    return known[name]
