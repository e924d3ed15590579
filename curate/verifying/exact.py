"""The `exact` verifier: the completion is the answer, character by character."""

from __future__ import annotations

from curate.records import Verdict
from curate.verifying.verifier import Verifier


def extract(completion: str) -> str | None:
    """Return the completion without the white space around it; null where nothing is left.

    Nothing else is normalised: case, inner white space and Unicode forms all count.
    """
    return completion.strip() or None


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge equality with the stripped answer; an empty completion is unparsable."""
    if extracted is None:
        return Verdict("unparsable", detail="empty completion")
    return Verdict("correct" if extracted == answer.strip() else "incorrect", extracted)


def exact() -> Verifier:
    """Judge the whole completion, white space around it aside, against the answer, character by character."""
    return Verifier("exact", extract, compare)
