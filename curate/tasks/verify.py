"""The verdict on a countdown completion: exact, and by the completion's text alone."""

from __future__ import annotations

from curate.records import Verdict
from curate.tasks.countdown import parse
from curate.tasks.moves import after, fault, read, split


def extract(completion: str) -> str | None:
    r"""Return the solution text: the completion up to its first ``\n``, stripped; null where nothing is left."""
    return completion.partition("\n")[0].strip() or None


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge a solution text by playing it; ``answer`` is the problem, ``3 5 8:64`` (or its prompt).

    Correct when every step is legal and the one number left is the target; any solution is as good as the reference.
    Unparsable, before anything is played, when there is no step (``no steps``) or one is not ``a op b=c`` (``not a
    step``): a completion cut off inside a step is such. Incorrect otherwise, with the first reason in reading order:
    ``number not available``, ``operation not allowed``, ``false equation``, then ``numbers left`` (two or more) or
    ``target not reached``. An answer that is no problem is an error (reward null). Never raises.
    """
    problem = parse(answer)
    if problem is None:
        return Verdict("error", extracted, "answer is not a countdown problem")
    steps = split(extracted or "")
    moves = [move for move in (read(step.text) for step in steps) if move]
    if not steps:
        return Verdict("unparsable", extracted, "no steps")
    if len(moves) < len(steps):
        return Verdict("unparsable", extracted, "not a step")
    left = problem.numbers
    for move in moves:
        reason = fault(left, move)
        if reason:
            return Verdict("incorrect", extracted, reason)
        left = after(left, move)
    if len(left) > 1:
        return Verdict("incorrect", extracted, "numbers left")
    if left != (problem.target,):
        return Verdict("incorrect", extracted, "target not reached")
    return Verdict("correct", extracted)
