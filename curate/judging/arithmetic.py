"""A small exact calculator for hostile text: numbers, + - * / and brackets, in rational arithmetic, nothing else.

There is no power, no name and no call, so the work and the size of every result are bounded by the length of the
text, and that is bounded too.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_CHARS = 200
MAX_DEPTH = 20

_TOKEN = re.compile(r"\s*(?:[$€£]?([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)|(.))", re.ASCII)
_SIGNS = {"−": "-", "–": "-", "÷": "/", "×": "x", "X": "x"}


class _UnreadableError(Exception):
    """The text is not an expression this calculator knows."""


def evaluate(text: str) -> Fraction | None:
    """Compute an arithmetic expression exactly; null for anything it cannot read and for a division by 0.

    It reads decimals, thousands commas, a currency sign before a number, ``%`` after one (5% = 0.05), ``+ - * /``,
    ``x``, the signs for times, divided and minus, brackets and one minus before a number or bracket. It refuses
    (null) letters, ``**``, ``2(3)``, ``3x-4`` (there x is a name), over 200 characters and over 20 nested brackets.
    """
    if len(text) > MAX_CHARS:
        return None
    try:
        parser = _Parser(text.strip())
        value = parser.sum(0)
        return value if parser.next == "" else None
    except (_UnreadableError, ZeroDivisionError):
        return None


def read_number(text: str) -> tuple[Fraction, int] | None:
    """Read one plain number with an optional minus: its value and how many decimals it is written with."""
    text = text.strip()
    value = evaluate(text)
    if value is None or any(sign in text[1:] for sign in "+-*/xX×÷−–()%"):
        return None
    return value, len(text.partition(".")[2])


class _Parser:
    """Recursive descent over the tokens of one text; ``next`` is the token at hand, empty at the end."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.finditer(text)
        self.next = ""
        self.is_number = False
        self.advance()

    def advance(self) -> str:
        token = self.next
        match = next(self.tokens, None)
        number, other = (match[1], match[2]) if match else (None, None)
        self.is_number = number is not None
        self.next = number.replace(",", "") if number else _SIGNS.get(other or "", other or "")
        return token

    def sum(self, depth: int) -> Fraction:
        value = self.product(depth)
        while self.next in ("+", "-"):
            sign = 1 if self.advance() == "+" else -1
            value += sign * self.product(depth)
        return value

    def product(self, depth: int) -> Fraction:
        value = self.signed(depth)
        while self.next in ("*", "/", "x"):
            operator = self.advance()
            if operator == "x" and self.next == "-":
                raise _UnreadableError  # 3x-4 is a term in x, not 3 times -4
            factor = self.signed(depth)
            value = value / factor if operator == "/" else value * factor
        return value

    def signed(self, depth: int) -> Fraction:
        if self.next != "-":
            return self.atom(depth)
        self.advance()
        return -self.atom(depth)

    def atom(self, depth: int) -> Fraction:
        if self.is_number:
            value = Fraction(self.advance())
        elif self.next == "(" and depth < MAX_DEPTH:
            self.advance()
            value = self.sum(depth + 1)
            if self.advance() != ")":
                raise _UnreadableError
        else:
            raise _UnreadableError
        if self.next == "%":
            self.advance()
            value /= 100
        return value
