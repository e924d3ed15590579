"""Finds JSON objects in a model's reply: strict JSON, and what models write instead (single quotes, True, a last comma).

The reply is hostile text. Nothing is evaluated, nesting is bounded, and so is the work: every character that an
attempt reads is charged to a budget of a few times the length of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

MAX_DEPTH = 8
_READS_A_CHAR = 8
_SPARE = 1000

_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')
      | (?P<word>[-+]?[A-Za-z0-9_][A-Za-z0-9_.+-]{0,40})
      | (?P<sign>[{}\[\]:,])
    )""",
    re.VERBOSE | re.DOTALL,
)
_START = re.compile(r"\{(?=\s*[\"'A-Za-z_}])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None, "none": None}


class _UnreadableError(Exception):
    """What stands here is no object."""


class _SpentError(Exception):
    """The reply has used up its budget."""


def objects(text: str) -> list[dict[str, Any]]:
    """Return every complete object of a text that lies in no other, in order; none where reading it takes too long.

    A text that only looks like an object, such as ``\\frac{1}{2}``, is passed over. What a string of an object holds
    is never read as an object of its own. Later keys win over earlier ones of the same name.
    """
    budget = _Budget(_READS_A_CHAR * len(text) + _SPARE)
    try:
        return list(_objects(text, budget))
    except _SpentError:
        return []


def _objects(text: str, budget: _Budget) -> Iterator[dict[str, Any]]:
    place = 0
    while start := _START.search(text, place):
        reader = _Reader(text, start.start(), budget)
        try:
            yield reader.object(0)
            place = reader.place
        except _UnreadableError:
            place = start.start() + 1


class _Budget:
    def __init__(self, n_chars: int) -> None:
        self.n_chars = n_chars

    def spend(self, n_chars: int) -> None:
        self.n_chars -= n_chars + 1
        if self.n_chars < 0:
            raise _SpentError


class _Reader:
    """Recursive descent from one opening brace; ``place`` is where the next token starts."""

    def __init__(self, text: str, place: int, budget: _Budget) -> None:
        self.text = text
        self.place = place
        self.budget = budget

    def token(self) -> tuple[str, str]:
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise _UnreadableError
        self.budget.spend(match.end() - self.place)
        self.place = match.end()
        kind = match.lastgroup or ""
        return kind, match[kind]

    def object(self, depth: int) -> dict[str, Any]:
        self.token()  # the brace that was found
        found: dict[str, Any] = {}
        while True:
            kind, text = self.token()
            if text == "}":
                return found
            if kind == "sign":
                raise _UnreadableError
            if self.token()[1] != ":":
                raise _UnreadableError
            found[_unquoted(text) if kind == "string" else text] = self.value(depth)
            if not self._goes_on("}"):
                return found

    def array(self, depth: int) -> list[Any]:
        self.token()
        found: list[Any] = []
        while not self._is_next("]"):
            found.append(self.value(depth))
            if not self._goes_on("]"):
                return found
        self.token()
        return found

    def value(self, depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise _UnreadableError
        if self._is_next("{"):
            return self.object(depth + 1)
        if self._is_next("["):
            return self.array(depth + 1)
        kind, text = self.token()
        if kind == "sign":
            raise _UnreadableError
        return _unquoted(text) if kind == "string" else _plain(text)

    def _is_next(self, sign: str) -> bool:
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise _UnreadableError
        self.budget.spend(match.end() - self.place)
        return match["sign"] == sign

    def _goes_on(self, end: str) -> bool:
        kind, text = self.token()
        if kind != "sign" or text not in (",", end):
            raise _UnreadableError
        return text == ","


def _plain(word: str) -> Any:
    """Return what a bare word means: a number, true, false, null, or itself."""
    lowered = word.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    try:
        return int(word) if word.lstrip("+-").isdigit() else float(word)
    except ValueError:
        return word


def _unquoted(string: str) -> str:
    text = _ESCAPE.sub(lambda found: _character(found[1], found[2]), string[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins the halves of \ud83d\ude00


def _character(code: str | None, letter: str) -> str:
    return chr(int(code, 16)) if code else _ESCAPES.get(letter, letter)


def same_words(value: Any) -> Any:
    """Return a value as it compares with a quote of it: entities read, blanks made one, letters lower."""
    if isinstance(value, str):
        return " ".join(unescape(value).lower().split())
    return value
