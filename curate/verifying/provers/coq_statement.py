"""Reads the statement that is asked: the answer of a Coq prompt."""

from __future__ import annotations

import re
from typing import NamedTuple

from curate.verifying.last import last
from curate.verifying.provers.comments import coq_code

_THEOREM = re.compile(
    r"(?:\A|(?<=[\s.]))(?:Theorem|Lemma|Fact|Remark|Corollary|Proposition|Property)\s+(?P<name>[^\W\d][\w']*)(?=[\s:({\[])"
)
_END = re.compile(r"\.(?=\s|\Z)")
_REST = re.compile(r"\s*(?:Proof\s*\.\s*)?(?:(?:Admitted|Abort)\s*\.\s*)?")
_BRACKET = re.compile(r"[(\[{]|[)\]}]|:(?!=)")


class Statement(NamedTuple):
    """What comes before the theorem (imports, definitions), its name, and its type with the binders in front."""

    preamble: str
    name: str
    type: str


def parse(answer: str) -> Statement | None:
    """Read ``PREAMBLE Theorem NAME BINDERS : TYPE.``, perhaps with ``Proof.`` and ``Admitted.`` after it.

    The last theorem of the text is the one that is asked. Null where there is none, or where more follows it.
    """
    code = coq_code(answer)
    found = last(_THEOREM.finditer(code))
    end = _END.search(code, found.end()) if found else None
    if found is None or end is None or not _REST.fullmatch(code, end.end()):
        return None
    colon = _colon(code, found.end(), end.start())
    if colon is None:
        return None
    binders, goal = answer[found.end() : colon].strip(), answer[colon + 1 : end.start()].strip()
    if not goal:
        return None
    return Statement(answer[: found.start()], found["name"], f"forall {binders}, {goal}" if binders else goal)


def _colon(code: str, start: int, end: int) -> int | None:
    """Return the place of the first colon that stands in no bracket."""
    depth = 0
    for mark in _BRACKET.finditer(code, start, end):
        if mark.group() == ":" and not depth:
            return mark.start()
        depth += (mark.group() in "([{") - (mark.group() in ")]}")
    return None
