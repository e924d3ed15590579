"""The countdown problem and its text: reach a target from given numbers, each used exactly once, with + - * /.

The prompt is ``3 5 8:64>``, the answer kept beside it is the problem itself, ``3 5 8:64``, and a completion is
``3+5=8;8*8=64``. Two to four numbers of 1..999 make a problem, so that no search can grow large and no legal result
has more than 12 digits, whatever a file states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.errors import ConfigError

MIN_NUMBERS = 2
MAX_NUMBERS = 4
MAX_NUMBER = 999
MAX_DIGITS = 12

_TEXT = re.compile(r"([1-9][0-9]{0,2}(?: [1-9][0-9]{0,2}){1,3}):([1-9][0-9]{0,11})>?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the numbers in the order they are written, and the target.

    Raises ConfigError outside 2..4 numbers of 1..999 and a target of 1 to 12 digits.
    """

    numbers: tuple[int, ...]
    target: int

    def __post_init__(self) -> None:
        is_small = all(1 <= number <= MAX_NUMBER for number in self.numbers) and 1 <= self.target < 10**MAX_DIGITS
        if not (MIN_NUMBERS <= len(self.numbers) <= MAX_NUMBERS and is_small):
            raise ConfigError(
                f"a countdown problem has {MIN_NUMBERS} to {MAX_NUMBERS} numbers of 1..{MAX_NUMBER} and a target of "
                f"1 to {MAX_DIGITS} digits, not numbers={self.numbers} and target={self.target}"
            )

    @property
    def text(self) -> str:
        """The problem as it is kept as an answer: ``3 5 8:64``."""
        return f"{' '.join(map(str, self.numbers))}:{self.target}"

    @property
    def prompt(self) -> str:
        """The problem as a policy is asked it: ``3 5 8:64>``."""
        return f"{self.text}>"


def parse(text: str) -> Problem | None:
    """Read a problem from its text or its prompt, white space around it aside; null for anything else.

    The spaces are single, the digits ASCII without leading zeros. Never raises.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    return Problem(tuple(int(number) for number in match[1].split(" ")), int(match[2]))
