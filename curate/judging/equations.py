"""Finds the equations a step states: calculator annotations ``<<3*4=12>>`` and plain ``3 * 4 = 12`` in prose.

Prose is not arithmetic, so a plain equation is only judged where its reading is safe; everything else is passed over,
never called wrong. "4 times 3 + 2 = 20", "20 sheep - 5 = 15" and "3 * $.50 = 150 cents" are such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from curate.judging.arithmetic import MAX_CHARS, evaluate, read_number

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")
_CLAUSE_END = re.compile(r"[,;:.!?](?=\s)|\n")
_RELATION = re.compile(r"[=!<>≈]=|[≠≈≤≥<>]")
_EXPRESSION_CHARS = "0123456789.,+-*/()xX×÷−–$€£% \t"
_OPERATOR = re.compile(r"[-+*/xX×÷−–]")
_LEADING_NUMBER = re.compile(r"\s*[-−]?[$€£]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")
# After the number: more arithmetic, or a word that changes its scale.
_CHANGES_VALUE = re.compile(
    r"[+*×÷−%¢]|/\s*[0-9]|[-–]\s|\bx\s|\bcents?\b|\bdozen|\bhundred|\bthousand|illion", re.IGNORECASE
)
# Before the expression: a word that makes it part of a longer calculation.
_JOINING_WORDS = frozenset(
    {"times", "plus", "minus", "multiplied", "divided", "of", "by", "over", "per"}
    | {"half", "twice", "double", "triple", "thrice", "than", "less", "more"}
)


@dataclass(frozen=True, slots=True)
class Equation:
    """One equation: its text, the exact value of its left side, and whether its right side states that value."""

    text: str
    value: Fraction
    holds: bool


def calculator_annotations(text: str) -> list[str]:
    """Return the inside of every calculator annotation that has an equals sign, in order."""
    return [inside for inside in _ANNOTATION.findall(text) if "=" in inside]


def equations(text: str) -> Iterator[Equation]:
    """Yield every equation of a step that can be evaluated: annotations first, then plain ones."""
    for inside in calculator_annotations(text):
        yield from _chain(inside.split("="))
    for clause in _clauses(text):
        yield from _plain(clause.split("="))


def results(text: str) -> list[Fraction]:
    """Return the values a step arrives at: what its annotations state, else what its plain equations state."""
    stated = [read_number(inside.rpartition("=")[2]) for inside in calculator_annotations(text)]
    if stated:
        return [number[0] for number in stated if number]
    ends = [clause.rpartition("=")[2] for clause in _clauses(text) if next(_plain(clause.split("=")), None)]
    numbers = [read_number(match.group()) for end in ends if (match := _LEADING_NUMBER.match(end[:MAX_CHARS]))]
    return [number[0] for number in numbers if number]


def states(value: Fraction, stated: str) -> bool:
    """Say whether a written number states an exact value.

    It does when the value rounded to its decimals (halves either way) is it: 25/3 = 8.33, 39/8 = 5. Decimals may also
    be cut off instead (2/3 = 0.66), and may carry the noise of double precision, 1e-12 of the value: published
    annotations hold 0.1+0.2=0.30000000000000004. A whole number is rounded, never cut off: 5/3 = 1 is wrong.
    """
    number = read_number(stated)
    if number is None:
        return False
    written, decimals = number
    shift, gap = 10**decimals, abs(value - written)
    if gap * shift * 2 <= 1:
        return True
    is_noise = gap * 10**12 <= max(Fraction(1), abs(value))
    return decimals > 0 and (is_noise or int(value * shift) == written * shift)


def _chain(sides: list[str]) -> Iterator[Equation]:
    """Judge each neighbouring pair of whole expressions in ``a = b = c``."""
    for left, right in pairwise(sides):
        value, other = evaluate(left), evaluate(right)
        if value is not None and other is not None:
            is_percentage = right.strip().endswith("%") and value == other * 100
            yield Equation(f"{left}={right}", value, value == other or is_percentage or states(value, right))


def _clauses(text: str) -> list[str]:
    """Cut the text without its annotations where a reader would pause; keep the parts with a plain equals sign."""
    clauses = _CLAUSE_END.split(_ANNOTATION.sub("", text))
    return [clause for clause in clauses if "=" in clause and not _RELATION.search(clause)]


def _plain(sides: list[str]) -> Iterator[Equation]:
    for place, (left, right) in enumerate(pairwise(sides)):
        expression = _tail_expression(left, opens_clause=place == 0)
        value = evaluate(expression) if expression else None
        holds = None if value is None else _right_side_holds(value, right[:MAX_CHARS])
        if expression and value is not None and holds is not None:
            yield Equation(f"{expression} = {right.strip()[:40]}", value, holds)


def _tail_expression(side: str, opens_clause: bool) -> str | None:
    """Return the calculation a side ends in, null where there is none or the words before it may belong to it."""
    side = side[-MAX_CHARS - 1 :]
    before = side.rstrip(_EXPRESSION_CHARS)
    tail = side[len(before) :]
    expression = tail.strip()
    if expression.count("(") > expression.count(")"):
        expression = expression.lstrip("( ")
    words = before.split()
    is_glued = bool(before) and not tail[:1].isspace()
    starts_with_sign = expression[:1] in "-+*/xX×÷−–" and (bool(before) or opens_clause)
    joins = bool(words) and words[-1].lower() in _JOINING_WORDS
    if is_glued or starts_with_sign or joins or not _OPERATOR.search(expression[1:]):
        return None
    return expression


def _right_side_holds(value: Fraction, side: str) -> bool | None:
    """Judge a right side that opens with a number; null where what follows it may change the value."""
    match = _LEADING_NUMBER.match(side)
    if match is None:
        return None
    number, rest = match.group().rstrip(","), side[match.end() :]
    if states(value, number) or (rest[:1] == "%" and states(value * 100, number)):
        return True
    return None if _CHANGES_VALUE.search(rest) or rest[:1].isalpha() else False
