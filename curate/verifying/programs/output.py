"""Compare a program's output with the right one."""

from __future__ import annotations

import math


def same_output(given: bytes, wanted: str, tolerance: float | None = None) -> bool:
    """Say whether two outputs agree, white space at the end of a line and empty lines at the end aside.

    With a ``tolerance`` words that both read as finite numbers agree where they are that close, relatively or absolutely.
    """
    lines, wanted_lines = _lines(given.decode(errors="replace")), _lines(wanted)
    if lines == wanted_lines or tolerance is None:
        return lines == wanted_lines
    words, wanted_words = " \n ".join(lines).split(" "), " \n ".join(wanted_lines).split(" ")
    pairs = zip(words, wanted_words, strict=False)
    return len(words) == len(wanted_words) and all(a == b or _close(a, b, tolerance) for a, b in pairs)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _close(word: str, wanted: str, tolerance: float) -> bool:
    try:
        given, right = float(word), float(wanted)
    except ValueError:
        return False
    return math.isfinite(right) and math.isclose(given, right, rel_tol=tolerance, abs_tol=tolerance)
