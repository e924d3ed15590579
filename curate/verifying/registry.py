"""The verifiers by name: functions that make one from its settings, imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from curate.errors import ConfigError, did_you_mean
from curate.verifying.verifier import Verifier

FACTORIES = {
    "exact": "curate.verifying.exact:exact",
    "numeric": "curate.verifying.numeric:numeric",
    "gsm8k": "curate.verifying.gsm8k:gsm8k",
    "multiple_choice": "curate.verifying.multiple_choice:multiple_choice",
    "regex": "curate.verifying.regex:regex",
    "math": "curate.verifying.math:math",
    "code": "curate.verifying.programs.code:code",
    "coq": "curate.verifying.provers.coq:coq",
    "lean": "curate.verifying.provers.lean:lean",
    "reasoning_gym": "curate.verifying.reasoning_gym:reasoning_gym",
    "command": "curate.verifying.command:command",
    "python": "curate.verifying.python:python",
}


def names() -> list[str]:
    """Return the names of the verifiers."""
    return list(FACTORIES)


def factory(name: str) -> Callable[..., Verifier]:
    """Return the function that makes a verifier: its keyword parameters are the settings, its docstring the help."""
    module, _, function = FACTORIES[name].partition(":")
    made: Callable[..., Verifier] = getattr(importlib.import_module(module), function)
    return made


def get(
    name: str, settings: Mapping[str, Any] | None = None, also: Mapping[str, Callable[..., Verifier]] | None = None
) -> Verifier:
    """Make a verifier by name, of those here and in ``also``.

    Raises ConfigError, which lists what is known, for another name or setting, and for a value that is not of its type.
    """
    from pydantic import ValidationError, validate_call

    known = {**dict.fromkeys(FACTORIES), **(also or {})}
    if name not in known:
        raise ConfigError(
            f"no verifier is called {name!r}{did_you_mean(name, known)}; known: {', '.join(sorted(known))}"
        )
    make = known[name] or factory(name)
    try:
        return validate_call(config={"arbitrary_types_allowed": True})(make)(**(settings or {}))
    except ValidationError as error:
        raise ConfigError(f"verifier {name}: {'; '.join(_problem(each, make) for each in error.errors())}") from None


def _problem(detail: Any, make: Callable[..., Verifier]) -> str:
    import inspect

    key = ".".join(str(place) for place in detail["loc"])
    settings = list(inspect.signature(make).parameters)
    if detail["type"] == "unexpected_keyword_argument":
        return f"unknown setting {key}{did_you_mean(key, settings)}; known: {', '.join(settings) or 'none'}"
    if detail["type"].startswith("missing"):
        return f"setting {key} is missing: give --set {key}=VALUE"
    return f"{key}: {detail['msg']}, got {detail['input']!r}"
