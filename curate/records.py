"""The records that cross folder borders: what a verifier, judge or importer hands to the stage runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["correct", "incorrect", "unparsable", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one completion.

    ``extracted`` is the answer it found in the completion (null where it found none), ``detail`` a short reason.
    """

    outcome: Outcome
    extracted: str | None = None
    detail: str | None = None

    @property
    def reward(self) -> float | None:
        """1 for correct, 0 for incorrect and unparsable, null where the verifier gave up (timeout, error)."""
        if self.outcome == "correct":
            return 1.0
        return 0.0 if self.outcome in ("incorrect", "unparsable") else None


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning step of a completion: its text and the character offset where it starts."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a step judge says of one completion.

    ``first_error_step`` is 1-based and null where no wrong step was found; ``error`` says why there is no judgment
    at all, and then everything but ``reply`` is null. ``votes`` are the wrong steps of every judgment that could be
    read where several were asked, null for none found; ``scores`` further scores by name, null where none was given.
    """

    first_error_step: int | None = None
    reply: str | None = None
    error: str | None = None
    votes: tuple[int | None, ...] | None = None
    scores: Mapping[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A source row that could not become a sample: where it is and why, kept in ``.curate/rejects``."""

    file: str
    line: int
    reason: str
    text: str = ""
