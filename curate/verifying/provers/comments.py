"""Blanks comments and strings of Coq and Lean texts, so that what is left can be searched for commands.

The text keeps its length and its lines. Where these scanners and a prover's lexer could disagree they leave more than
they should: a text is then refused rather than let through. Linear in the text.
"""

from __future__ import annotations

import re

_VISIBLE = re.compile(r"\S")
_COQ = re.compile(r'\(\*|"')
_COQ_COMMENT = re.compile(r'\(\*|\*\)|"')
_LEAN = re.compile(
    r"""/-|--|(?P<raw>(?<![\w'!?])r\#*)"|"|«[^»]*»?
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


def lean_code(text: str) -> str:
    """Return a Lean text with spaces for its comments, of which ``/-`` nests, for its characters and for its strings.

    Names in ``«»`` stay, and strings with a brace: what is interpolated there is code. What is not closed goes to the end.
    """
    spans, at = [], 0
    while found := _LEAN.search(text, at):
        start, at = found.start(), found.end()
        token = found.group()
        if token == "/-":
            at = _after_lean_comment(text, at)
        elif token == "--":
            at = len(text) if (end := text.find("\n", at)) < 0 else end
        elif found["raw"]:
            at = _after(text, '"' + found["raw"][1:], at)
        elif token == '"':
            at = _end(_LEAN_STRING.match(text, at))
        if token[0] != "«" and not (token[-1] == '"' and text.find("{", start, at) >= 0):
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


def _after_lean_comment(text: str, at: int) -> int:
    depth = 1
    while depth and (found := _LEAN_COMMENT.search(text, at)):
        at = found.end()
        depth += 1 if found.group() == "/-" else -1
    return len(text) if depth else at


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    pieces, last = [], 0
    for start, end in spans:
        blank = " " * (end - start)
        pieces += [text[last:start], blank if text.find("\n", start, end) < 0 else _VISIBLE.sub(" ", text[start:end])]
        last = end
    return "".join([*pieces, text[last:]])
