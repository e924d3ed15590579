"""What a stopping rule looks at while a group is sampled: outcomes, as ``curate verify`` would find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.records import Outcome
    from curate.verbs.judging import Judging


def outcomes(judging: Judging, completions: Sequence[str | None], answer: str | None) -> list[Outcome]:
    """Return the outcome of each completion of one prompt."""
    return [verdict.outcome for verdict, _ in judging.verdicts((text, answer) for text in completions)]


async def outcomes_soon(judging: Judging, completions: Sequence[str | None], answer: str | None) -> list[Outcome]:
    """Return the outcomes without holding up the event loop while worker processes judge."""
    import asyncio

    if not judging.is_pooled:
        return outcomes(judging, completions, answer)
    return await asyncio.to_thread(outcomes, judging, completions, answer)


def unjudgeable(judging: Judging, answers: Sequence[str | None]) -> list[str | None]:
    """Return, for the answer of each prompt, why no completion of it can be judged, or null: no_answer, unreadable_answer.

    Such a group would be sampled up to its limit and tell nothing.
    """
    verdicts = judging.compared((None, answer) for answer in answers if answer is not None)
    return ["no_answer" if answer is None else _unreadable(next(verdicts)[0].outcome) for answer in answers]


def _unreadable(outcome: Outcome) -> str | None:
    return "unreadable_answer" if outcome == "error" else None
