"""Reads the statement that is asked: the answer of a Lean prompt."""

from __future__ import annotations

import re
from typing import NamedTuple

from curate.verifying.last import last
from curate.verifying.provers.comments import lean_code

_THEOREM = re.compile(
    r"(?:\A|(?<=\s))(?:theorem|lemma)\s+(?P<name>[^\s.:(){}\[\]⦃«]+(?:\.[^\s.:(){}\[\]⦃«]+)*)(?P<levels>\.\{[^}]*\})?(?=[\s:({\[⦃])"
)
_BEFORE = re.compile(
    r"(?P<scope>(?:\b(?:open|set_option)\b[^\n]*\bin\s+)*)(?:@\[[^\]]*\]\s*|(?:private|protected|nonrec)\s+)*\Z"
)
MOST_BEFORE = 2000  # characters of what may stand before the theorem and belongs to it
_MARK = re.compile(r"[(\[{⦃⟨]|[)\]}⦄⟩]|:=?")
_REST = re.compile(r"\s*(?:by\b)?\s*(?P<sorry>sorry)?\s*")


class Statement(NamedTuple):
    """What comes before the theorem (imports, ``open``), its name, its universe levels, and its type with the binders in front.

    ``text`` is the theorem as it is written, up to ``:=`` or ``:= by``: what a completion goes on from. ``head`` is the
    same up to its type, and ``scope`` the ``open ... in`` that it begins with.
    """

    preamble: str
    name: str
    levels: str
    type: str
    text: str
    head: str
    scope: str


def parse(answer: str) -> Statement | None:
    """Read ``PREAMBLE theorem NAME BINDERS : TYPE := by``, perhaps without what follows the type, perhaps with ``sorry``.

    The last theorem of the text is the one that is asked. Null where there is none, or where more follows it.
    """
    code, spoken = lean_code(answer, strings=False), lean_code(answer)
    found = last(_THEOREM.finditer(code))
    if found is None:
        return None
    colon, end = _places(code, found.end())
    if colon is None:
        return None
    rest = _REST.fullmatch(code, min(end + 2, len(code)))
    if rest is None:
        return None
    binders, goal = spoken[found.end() : colon].strip(), spoken[colon + 1 : end].strip()
    if not goal:
        return None
    before = _BEFORE.search(code, max(0, found.start() - MOST_BEFORE), found.start())
    start, scope = (before.start(), before["scope"]) if before else (found.start(), "")
    text = answer[start : rest.start("sorry") if rest["sorry"] else len(answer)]
    whole = f"∀ {binders}, {goal}" if binders else goal
    return Statement(
        answer[:start], found["name"], found["levels"] or "", whole, text, spoken[start:end].strip(), scope
    )


def _places(code: str, start: int) -> tuple[int | None, int]:
    """Return the first colon that stands in no bracket, and where the ``:=`` after it begins."""
    depth, colon = 0, None
    for mark in _MARK.finditer(code, start):
        if mark.group() == ":=" and not depth and colon is not None and not _is_let(code, colon, mark.start()):
            return colon, mark.start()
        if mark.group() == ":" and not depth and colon is None:
            colon = mark.start()
        depth += (mark.group() in "([{⦃⟨") - (mark.group() in ")]}⦄⟩")
    return colon, len(code)


_LET = re.compile(r"\b(?:let|have)\b|:=")


def _is_let(code: str, start: int, end: int) -> bool:
    """Tell whether a ``let`` of the type is still without its value."""
    marks = [mark.group() for mark in _LET.finditer(code, start, end)]
    return len([mark for mark in marks if mark != ":="]) > marks.count(":=")
