"""Blanks comments and strings of Coq and Lean texts, so that what is left can be searched for commands.

The text keeps its length and its lines. Where the scanner of Coq and Coq's lexer could disagree it leaves more than it
should: a text is then refused rather than let through. Of a Lean proof only what is left is sent to Lean, so that a
disagreement can hide nothing. Linear in the text.
"""

from __future__ import annotations

import re

_VISIBLE = re.compile(r"\S")
_COQ = re.compile(r'\(\*|"')
_COQ_COMMENT = re.compile(r'\(\*|\*\)|"')
_LEAN = re.compile(
    r"""//|/-|--|(?P<raw>(?<![\w'!?])r\#*)"|"|«[^»]*»?
       |(?<![\w'!?])'(?:\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)|[^\\'])'""",
    re.VERBOSE | re.DOTALL,
)
_LEAN_COMMENT = re.compile(r"/-|-/")
_LEAN_STRING = re.compile(r'(?:[^"\\]|\\.)*+"?', re.DOTALL)


def coq_code(text: str) -> str:
    """Return a Coq text with spaces for its comments, which nest and in which strings count, and for its strings.

    What is not closed goes to the end.
    """
    spans, at = [], 0
    while found := _COQ.search(text, at):
        at = _after(text, '"', found.end()) if found.group() == '"' else _after_coq_comment(text, found.end())
        spans.append((found.start(), at))
    return _blanked(text, spans)


def lean_code(text: str, strings: bool = True) -> str:
    """Return a Lean text with spaces for its comments, of which ``/-`` nests; without ``strings`` for its strings and characters too.

    Names in ``«»`` stay. From a comment on that is not closed everything stays, so that Lean refuses it.
    """
    spans, at = [], 0
    while found := _LEAN.search(text, at):
        start, at = found.start(), found.end()
        token = found.group()
        if token == "/-":
            if (end := _after_lean_comment(text, at)) is None:
                break
            at = end
        elif token == "--":
            at = len(text) if (end := text.find("\n", at)) < 0 else end
        elif found["raw"]:
            at = _after(text, '"' + found["raw"][1:], at)
        elif token == '"':
            at = _end(_LEAN_STRING.match(text, at))
        if token in ("/-", "--") or not (strings or token == "//" or token[0] == "«"):
            spans.append((start, at))
    return _blanked(text, spans)


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)


def _end(found: re.Match[str] | None) -> int:
    assert found is not None, "the pattern matches the empty text"
    return found.end()


def _after_coq_comment(text: str, at: int) -> int:
    depth = 1
    while depth and (found := _COQ_COMMENT.search(text, at)):
        at = found.end()
        if found.group() == '"':
            at = _after(text, '"', at)
        else:
            depth += 1 if found.group() == "(*" else -1
    return len(text) if depth else at


def _after_lean_comment(text: str, at: int) -> int | None:
    depth, at = 1, at + 1  # as Lean does: `/-/` opens a comment and does not close it
    while depth and (found := _LEAN_COMMENT.search(text, at)):
        at = found.end()
        depth += 1 if found.group() == "/-" else -1
    return None if depth else at


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    pieces, last = [], 0
    for start, end in spans:
        blank = " " * (end - start)
        pieces += [text[last:start], blank if text.find("\n", start, end) < 0 else _VISIBLE.sub(" ", text[start:end])]
        last = end
    return "".join([*pieces, text[last:]])
