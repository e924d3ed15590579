"""What a stopping rule looks at while a group is sampled: outcomes, judged in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.verbs.verify import verdict_on

if TYPE_CHECKING:
    from curate.records import Outcome, Verdict
    from curate.verifying import Verifier


def outcomes(verifier: Verifier, completions: Sequence[str | None], answer: str | None) -> list[Outcome]:
    """Return the outcome of each completion of one prompt, as ``curate verify`` would find it."""
    known: dict[tuple[str | None, str], Verdict] = {}
    return [verdict_on(verifier, completion, answer, known).outcome for completion in completions]


def unjudgeable(verifier: Verifier, answer: str | None) -> str | None:
    """Return why no completion of a prompt can be judged, or null: no_answer, unreadable_answer.

    Such a group would be sampled up to its limit and tell nothing.
    """
    if answer is None:
        return "no_answer"
    return "unreadable_answer" if verifier.compare(None, answer).outcome == "error" else None
