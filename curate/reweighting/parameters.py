"""Check the arguments of a recipe or piece against its function's signature, whoever calls it: a job file or a notebook."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from curate.errors import ConfigError, did_you_mean


def bind(
    of: str,
    signature: inspect.Signature,
    hints: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """Return all arguments by name, defaults included; raises ConfigError for one unknown, missing or of a wrong type.

    Types: float (a whole number will do), int, bool, str, Literal of texts, dict[str, float], and each or None.
    """
    known = signature.parameters
    listed = f"its parameters: {', '.join(known)}" if known else "it has no parameters"
    for name in kwargs:
        if name not in known:
            raise ConfigError(f"{of} has no parameter {name!r}{did_you_mean(name, known)}; {listed}")
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigError(f"{of}: {error}; {listed}") from None
    bound.apply_defaults()
    return {name: _checked(of, name, value, hints[name]) for name, value in bound.arguments.items()}


def _checked(of: str, name: str, value: Any, hint: Any) -> Any:
    options = get_args(hint)
    suggestion = ""
    if get_origin(hint) is Literal:
        if isinstance(value, str) and value in options:
            return value
        suggestion = did_you_mean(value, options) if isinstance(value, str) else ""
    elif NoneType in options:
        return None if value is None else _checked(of, name, value, options[0])
    elif get_origin(hint) is dict:
        if isinstance(value, Mapping):
            return {str(key): _checked(of, f"{name}.{key}", each, options[1]) for key, each in value.items()}
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
            return float(value)
    elif type(value) is hint:
        return value
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise ConfigError(f"{of}: {name} must be {type_name(hint)}, got {shown}{suggestion}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond float64
        return False


def type_name(hint: Any) -> str:
    """Say in words what values a parameter takes."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return " | ".join(f'"{option}"' for option in options)
    if NoneType in options:
        return f"{type_name(options[0])} or unset"
    if get_origin(hint) is dict:
        return f"a table of names, each {type_name(options[1])}"
    names = {float: "a finite number", int: "a whole number", bool: "true or false", str: "text"}
    return names[hint]
