"""Seeded countdown problems, in two splits that never share a problem.

Chance comes from BLAKE2b, not from ``random``: the same call gives the same problems in every version of Python.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from itertools import combinations_with_replacement
from typing import Literal

from curate.errors import ConfigError
from curate.tasks.countdown import Problem
from curate.tasks.solve import reachable

Split = Literal["train", "heldout"]

TARGETS = range(1, 101)
HELDOUT_SHARE = 5  # one problem in five
MAX_HIGHEST = 20  # every problem is solved before one is drawn: 4 numbers of 1..20 take seconds, of 1..99 half an hour


def problems(n: int, seed: int, split: Split = "train", n_numbers: int = 3, highest: int = 12) -> list[Problem]:
    """Draw n different problems of one split without replacement; the first m of n are those of a call with m.

    ``n_numbers`` (3 or 4) numbers of 1..``highest`` (at most 20), written in ascending order, may repeat. The target
    is in 1..100, can be reached, and is not one of the numbers. Two orders of the same numbers are one problem.
    Raises ConfigError where an argument is out of range, or more are asked for than exist.
    """
    if n < 1 or n_numbers not in (3, 4) or not 1 <= highest <= MAX_HIGHEST or split not in ("train", "heldout"):
        raise ConfigError(
            f"countdown problems need n >= 1, split train or heldout, n_numbers 3 or 4 and highest 1..{MAX_HIGHEST}, "
            f"not n={n}, split={split!r}, n_numbers={n_numbers} and highest={highest}"
        )
    known = [problem for problem in every_problem(n_numbers, highest) if split_of(problem) == split]
    if n > len(known):
        raise ConfigError(
            f"only {len(known)} {split} countdown problems have {n_numbers} numbers of 1..{highest}, {n} were asked "
            f"for: ask for fewer, or raise numbers (up to 4) or highest (up to {MAX_HIGHEST})"
        )
    return sorted(known, key=lambda problem: _hash(f"{seed}|{problem.text}", b"draw"))[:n]


def split_of(problem: Problem) -> Split:
    """Say which split a problem belongs to: held out where the hash of its sorted numbers and target is 0 modulo 5.

    So it does not depend on the order of the numbers, on a seed, or on how many problems are drawn.
    """
    text = Problem(tuple(sorted(problem.numbers)), problem.target).text
    return "train" if _hash(text, b"split") % HELDOUT_SHARE else "heldout"


@lru_cache(maxsize=2)
def every_problem(n_numbers: int, highest: int) -> tuple[Problem, ...]:
    """Return all problems that ``problems`` draws from, both splits, ascending by numbers, then target."""
    return tuple(
        Problem(numbers, target)
        for numbers in combinations_with_replacement(range(1, highest + 1), n_numbers)
        for target in sorted(reachable(numbers))
        if target in TARGETS and target not in numbers
    )


def _hash(text: str, purpose: bytes) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=purpose).digest(), "big")
