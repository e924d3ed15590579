"""The `python` verifier: a function of the user's own."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field

from curate.errors import ConfigError
from curate.records import Outcome, Verdict
from curate.verifying.verifier import MOST_MB, MOST_SECONDS, Limits, Verifier

Function = Callable[[str, str], Any]
OUTCOMES = get_args(Outcome)
FIELDS = {"outcome", "reward", "extracted", "detail"}


def python(
    entry_point: str,
    seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS, allow_inf_nan=False)] = 10,
    memory_mb: Annotated[int, Field(ge=1, le=MOST_MB)] = 1000,
) -> Verifier:
    """Judge by a function of your own, ``package.module:function`` or ``path/to/file.py:function``.

    It is called as ``function(completion, answer)`` in a worker process and returns True or False, a reward of 0 or 1, an
    outcome (``"unparsable"``), a Verdict, or a dict with ``outcome`` or ``reward`` and perhaps ``extracted`` and ``detail``.
    None means that it found no answer: unparsable. Anything else, an exception too, is an error (reward null).
    """
    function = load(entry_point)

    def compare(completion: str | None, answer: str) -> Verdict:
        return Verdict("unparsable") if completion is None else verdict_of(function(completion, answer))

    return Verifier("python", lambda completion: completion, compare, limits=Limits(seconds, memory_mb))


def load(entry_point: str) -> Function:
    """Return the function that an entry point names; raises ConfigError where there is none."""
    place, _, name = entry_point.rpartition(":")
    if not place or not name:
        raise ConfigError(f"entry_point is {entry_point!r}: write package.module:function or path/to/file.py:function")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module runs when it is imported
        raise ConfigError(
            f"entry_point {entry_point}: importing {place} raised {type(error).__name__}: {error}"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"entry_point {entry_point}: {place} has no function {name}")
    found: Function = function
    return found


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f"entry_point: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"curate_verifier_{path.stem}", path)
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def verdict_of(returned: Any) -> Verdict:
    """Return what a function or program means by ``returned``; an error that says what it was where it means nothing."""
    if isinstance(returned, Verdict):
        return returned
    if callable(as_python := getattr(returned, "item", None)):  # a scalar of NumPy or torch
        returned = as_python()
    if returned is None:
        return Verdict("unparsable")
    if isinstance(returned, Mapping):
        return _of_fields(returned)
    if isinstance(returned, str):
        return Verdict(returned) if returned in OUTCOMES else _none("outcome", returned)  # type: ignore[arg-type]
    if isinstance(returned, bool | int | float) and returned in (0, 1):
        return Verdict("correct" if returned else "incorrect")
    return _none("reward", returned) if isinstance(returned, int | float) else _none("verdict", type(returned).__name__)


def _of_fields(fields: Mapping[Any, Any]) -> Verdict:
    """Read ``outcome`` or ``reward``, and perhaps ``extracted`` and ``detail``."""
    if unknown := [key for key in fields if key not in FIELDS]:
        return _none("field", unknown[0])
    if ("outcome" in fields) == ("reward" in fields):
        return Verdict("error", detail="give either outcome or reward")
    said = fields["outcome"] if "outcome" in fields else fields["reward"]
    if said is None or isinstance(said, Mapping | Verdict) or isinstance(said, str) != ("outcome" in fields):
        return _none("outcome" if "outcome" in fields else "reward", said)
    extracted, detail = fields.get("extracted"), fields.get("detail")
    for name, text in (("extracted", extracted), ("detail", detail)):
        if not (text is None or isinstance(text, str)):
            return Verdict("error", detail=f"{name} is no text but {repr(text)[:100]}")
    verdict = verdict_of(said)
    return Verdict(verdict.outcome, extracted, verdict.detail or detail)


def _none(what: str, value: object) -> Verdict:
    shown = "nan" if isinstance(value, float) and math.isnan(value) else repr(value)[:100]
    return Verdict("error", detail=f"{shown} is no {what}")
