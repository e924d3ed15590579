"""The `numeric` verifier: the last number of the completion against the answer, as exact numbers."""

from __future__ import annotations

from curate.records import Verdict
from curate.verifying.numbers import last_number, parse_number
from curate.verifying.verifier import Verifier


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge equality as exact numbers: ``1,800.0``, ``$1800`` and ``3600/2`` are all 1800.

    An answer that is no number is an error (reward null) whatever the completion says: nothing can be judged by it.
    A completion without a number, or whose last one is a part of something else (``2^10``, ``1.5 million``), is unparsable.
    A number too large to read (over 1,000 characters, exponent beyond
    +-1000) or divided by 0 is incorrect, because no readable answer equals it.
    """
    wanted = parse_number(answer)
    if wanted is None:
        return Verdict("error", extracted, "answer is not a number")
    if extracted is None:
        return Verdict("unparsable", detail="no number")
    given = parse_number(extracted)
    if given is None:
        return Verdict("incorrect", extracted, "number out of range")
    return Verdict("correct" if given == wanted else "incorrect", extracted)


def numeric() -> Verifier:
    """Judge the last number of the completion against the answer, as exact numbers."""
    return Verifier("numeric", last_number, compare)
