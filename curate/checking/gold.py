"""Right answers that the verifier does not accept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from curate.checking.finding import Finding

Prompt = tuple[str, str, str | None]  # prompt_id, answer, reference


def failing_references(prompts: Iterable[Prompt], outcome: Callable[[str, str], str]) -> dict[str, str]:
    """Return the prompts whose reference solution states another answer than theirs, with a reason.

    Only where most references state theirs: of a verifier that reads whole texts none does, which says nothing.
    """
    outcomes = {prompt_id: outcome(reference, answer) for prompt_id, answer, reference in prompts if reference}
    n_right = sum(each == "correct" for each in outcomes.values())
    if 2 * n_right <= len(outcomes):
        return {}
    return {
        prompt_id: "the reference solution states another answer"
        for prompt_id, each in outcomes.items()
        if each == "incorrect"
    }


def failing_gold(where: str, failed: dict[str, str], n_prompts: int) -> Finding | None:
    """Return the prompts that no sample can get right, null where there is none."""
    if not failed:
        return None
    prompt_id, reason = next(iter(failed.items()))
    return Finding(
        "failing_gold",
        where,
        f"the verifier does not accept the right answer: {reason}",
        len(failed),
        n_prompts,
        "prompts looked at",
        f"prompt_id={prompt_id}",
        "Correct the answers or choose the verifier that reads them: every sample of such a prompt is wrong.",
    )
