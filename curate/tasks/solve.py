"""The exhaustive search over countdown problems. Up to 4 numbers are at most a few thousand lines of play."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from curate.errors import ConfigError
from curate.tasks.countdown import Problem
from curate.tasks.moves import after, legal_moves


@lru_cache(maxsize=20_000)
def reachable(left: tuple[int, ...]) -> frozenset[int]:
    """Return every number that can be the last one left, from ascending positive integers; one number is itself."""
    if len(left) == 1:
        return frozenset(left)
    return frozenset().union(*(reachable(after(left, move)) for move in legal_moves(left)))


def solutions(problem: Problem) -> list[str]:
    """Return every solution text once, in a fixed order that ignores the order of the problem's numbers.

    The order is that of a search that tries moves by first number, second number and operator (``+-*/``), ascending.
    ``3+5=8`` and ``5+3=8`` are two texts. Empty where the problem has no solution. Three numbers of 1..12 have at
    most 28 with a target up to 100, four numbers 356.
    """
    return list(_lines(tuple(sorted(problem.numbers)), problem.target))


def reference(problem: Problem) -> str:
    """Return the first of ``solutions``; raises ConfigError where the problem has none."""
    first = next(_lines(tuple(sorted(problem.numbers)), problem.target), None)
    if first is None:
        raise ConfigError(f"countdown problem {problem.text} has no solution: give one that has")
    return first


def _lines(left: tuple[int, ...], target: int) -> Iterator[str]:
    for move in legal_moves(left):
        rest = after(left, move)
        if rest == (target,):
            yield move.text
        elif len(rest) > 1 and target in reachable(rest):
            yield from (f"{move.text};{line}" for line in _lines(rest, target))
