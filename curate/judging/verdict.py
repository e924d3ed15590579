"""Reads a judge's verdict out of its reply, and out of nothing that the reply quotes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.judging.loose_json import objects, same_words

FIELD = "first_error_step"
HIGHEST_SCORE = 10.0
MAX_REPLY_CHARS = 1_000_000

_NONE_FOUND = {"none", "no error", "no_error", "no errors", "no mistake", "null", "-1", "n/a"}
_STEP = re.compile(r"(?:step\s*)?#?([0-9]{1,6})", re.ASCII)
_THOUGHTS = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reply, read: the first wrong step (null = none found) and the scores that were asked for."""

    first_error_step: int | None
    scores: Mapping[str, float | None]


def read_verdict(
    reply: str, first: int, last: int, names: Sequence[str], quotes: Sequence[object] = ()
) -> Verdict | None:
    """Return the verdict of a reply, null where it holds none.

    The last complete JSON object with ``first_error_step`` decides, wherever it stands: in a code fence, after
    thoughts, before more text. -1, null, "none" and "no error" are none found; a number outside ``first..last`` is no
    verdict, and neither is an object that is in ``quotes`` (see ``verdicts_in``), whole or in part. A score that is
    missing, no number, or outside 0..10 is null. A reply of more than a million characters is not read.
    """
    if len(reply) > MAX_REPLY_CHARS:
        return None
    found = [each for each in verdicts_in(without_thoughts(reply)) if not is_quote(each, quotes)]
    if not found:
        return None
    step = _step(found[-1][FIELD], first, last)
    return None if step is None else Verdict(step or None, _scores(found[-1], names))


def verdicts_in(text: str) -> list[dict[str, Any]]:
    """Return the objects of a text that have the form of a verdict; of judged text they are what a reply may quote."""
    return [each for each in objects(text) if FIELD in each] if FIELD in text else []


def without_thoughts(reply: str) -> str:
    """Return what follows the last end of thinking; nothing of a thought that is still open."""
    kept_from, is_open = 0, False
    for tag in _THOUGHTS.finditer(reply):
        is_open = not tag[1]
        if not is_open:
            kept_from = tag.end()
        else:
            opened = tag.start()
    return reply[kept_from:opened] if is_open else reply[kept_from:]


def is_quote(verdict: Mapping[str, Any], quotes: Sequence[object]) -> bool:
    """Say whether every field of a verdict stands in one object of the judged text."""
    return any(
        isinstance(quote, Mapping)
        and all(name in quote and same_words(quote[name]) == same_words(value) for name, value in verdict.items())
        for quote in quotes
    )


def _step(value: Any, first: int, last: int) -> int | None:
    """Return the step a field names, 0 for none found, null where it cannot be read."""
    if value is None:
        return 0
    if isinstance(value, str):
        word = value.strip(" \t\n.\"'").lower()
        if word in _NONE_FOUND:
            return 0
        match = _STEP.fullmatch(word)
        value = int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if value == -1:
        return 0
    return int(value) if value == int(value) and first <= value <= last else None


def _scores(verdict: Mapping[str, Any], names: Sequence[str]) -> dict[str, float | None]:
    inside = verdict.get("scores")
    given = inside if isinstance(inside, Mapping) else verdict
    return {name: _score(given.get(name)) for name in names}


def _score(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value.removesuffix("/10")) if len(value) < 20 else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= HIGHEST_SCORE else None
