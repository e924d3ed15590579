"""Answers that are whole solutions: a text whose last line states the final answer, as GSM8K has them."""

from __future__ import annotations

MARKERS = ("####", "A:")


def stated_answer(text: str) -> str | None:
    """Return what follows ``####`` or ``A:`` on the last line of a solution; null for any other text.

    The published problems write ``#### 18``, the published model solutions ``A: 18`` (openai/grade-school-math). The
    marker opens the line, something follows it, and at least one line stands before it: an ``A: Paris`` alone is an
    answer as it is.
    """
    solution, _, last = text.strip().rpartition("\n")
    for marker in MARKERS:
        if last.startswith(marker) and solution.strip():
            return last.removeprefix(marker).strip() or None
    return None
