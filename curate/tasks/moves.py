"""One step of a countdown solution, ``a op b=c``: how it is read, and what it may do to the numbers left.

Everything stays a positive integer: a difference needs a > b, a quotient must be exact. Otherwise 0, negative numbers
and fractions would each need a way to be written, and the search would grow for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from curate.records import Step

OPERATORS = "+-*/"
NOT_AVAILABLE = "number not available"
NOT_ALLOWED = "operation not allowed"
FALSE_EQUATION = "false equation"

# 0 is read only so that 3-3=0 is called what it is, an operation that is not allowed.
_MOVE = re.compile(r"(0|[1-9][0-9]{0,11})([-+*/])(0|[1-9][0-9]{0,11})=(0|[1-9][0-9]{0,11})")


@dataclass(frozen=True, slots=True)
class Move:
    """What one step states: ``a operator b = result``, true or not."""

    a: int
    operator: str
    b: int
    result: int

    @property
    def text(self) -> str:
        """The step as it is written, without spaces."""
        return f"{self.a}{self.operator}{self.b}={self.result}"


def split(completion: str) -> list[Step]:
    r"""Split a completion into its steps at ``;``, each with the character offset where it starts.

    ``completion[step.offset:].startswith(step.text)`` holds for every step. The completion ends at its first ``\n``.
    White space around a step and empty steps say nothing and are left out, so ``;`` cannot pad the number of steps.
    """
    steps: list[Step] = []
    start = 0
    for piece in completion.partition("\n")[0].split(";"):
        text = piece.strip()
        if text:
            steps.append(Step(text, start + piece.index(text[0])))
        start += len(piece) + 1
    return steps


def read(step: str) -> Move | None:
    """Read a step; null where it is not ``a op b=c``: inner spaces, signs, leading zeros, 13 digits, decimals."""
    match = _MOVE.fullmatch(step)
    return Move(int(match[1]), match[2], int(match[3]), int(match[4])) if match else None


def value(a: int, operator: str, b: int) -> int | None:
    """Compute ``a operator b``; null where the result is no positive integer (a and b are)."""
    if operator == "+":
        return a + b
    if operator == "*":
        return a * b
    if operator == "-":
        return a - b if a > b else None
    return a // b if a % b == 0 else None


def fault(left: tuple[int, ...], move: Move) -> str | None:
    """Say what is wrong with a move when these numbers are left, null where it is legal.

    The first of: ``number not available`` (also one number used twice), ``operation not allowed`` (a difference below
    1, a quotient that is not exact), ``false equation``.
    """
    if move.a not in left or left.count(move.b) < (2 if move.a == move.b else 1):
        return NOT_AVAILABLE
    result = value(move.a, move.operator, move.b)
    if result is None:
        return NOT_ALLOWED
    return None if result == move.result else FALSE_EQUATION


def after(left: tuple[int, ...], move: Move) -> tuple[int, ...]:
    """Return the numbers left after a legal move, ascending."""
    rest = list(left)
    rest.remove(move.a)
    rest.remove(move.b)
    return tuple(sorted([*rest, move.result]))


def legal_moves(left: tuple[int, ...]) -> Iterator[Move]:
    """Yield every legal move once, in the order of a, then b, then the operator as in ``+-*/``."""
    for a in sorted(set(left)):
        for b in sorted(set(left)):
            if a != b or left.count(a) > 1:
                for operator in OPERATORS:
                    result = value(a, operator, b)
                    if result is not None:
                        yield Move(a, operator, b, result)
