"""The first wrong step of a countdown completion, found exactly."""

from __future__ import annotations

from collections.abc import Sequence

from curate.records import Judgment, Step
from curate.tasks.countdown import parse
from curate.tasks.moves import after, fault, read
from curate.tasks.solve import reachable


def first_wrong_step(problem: str, reference: str | None, steps: Sequence[Step]) -> Judgment:
    """Call a step wrong when it is not legal, or when the target can no longer be reached from the numbers left.

    ``problem`` is the prompt, ``3 5 8:64>``; the steps are those of ``moves.split``. Not legal: no ``a op b=c``, a
    number that is not left (every step after the last number is such), an operation that is not allowed, a false
    equation. The reference is not read: whether the target can be reached is decided by exhaustive search.

    first_error_step is null where no step is wrong: for a correct completion, and for one that stops while it could
    still reach the target; that one is incorrect, but nothing in it is a mistake. Every other wrong completion has a
    wrong step. An error: no steps, a problem that cannot be read, a problem without a solution.
    """
    asked = parse(problem)
    if asked is None:
        return Judgment(error="the prompt is not a countdown problem")
    left = tuple(sorted(asked.numbers))
    if asked.target not in reachable(left):
        return Judgment(error="the problem has no solution")
    if not steps:
        return Judgment(error="no steps")
    for number, step in enumerate(steps, start=1):
        move = read(step.text)
        if move is None or fault(left, move):
            return Judgment(first_error_step=number)
        left = after(left, move)
        if asked.target not in reachable(left):
            return Judgment(first_error_step=number)
    return Judgment()
