"""Right answers that the verifier does not accept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from curate.checking.finding import Finding

Prompt = tuple[str, str, str | None]  # prompt_id, answer, reference

# Of the references that a verifier reads an answer in: where fewer state theirs, it misreads how they are written
# ("18 eggs, enough for 3 days") more likely than so many answers are wrong.
NEARLY_ALL = 0.95


def failing_references(prompts: Iterable[Prompt], outcome: Callable[[str, str], str]) -> tuple[dict[str, str], bool]:
    """Return the prompts whose reference solution states another answer than theirs, with a reason; and whether that is sure.

    Only where most references state theirs: of a verifier that reads whole texts none does, which says nothing. It is
    sure where at least 95 % of those that state an answer do.
    """
    outcomes = {prompt_id: outcome(reference, answer) for prompt_id, answer, reference in prompts if reference}
    n_right = sum(each == "correct" for each in outcomes.values())
    if 2 * n_right <= len(outcomes):
        return {}, False
    failed = {
        prompt_id: "the reference solution states another answer"
        for prompt_id, each in outcomes.items()
        if each == "incorrect"
    }
    return failed, n_right >= NEARLY_ALL * (n_right + len(failed))


def failing_gold(where: str, failed: dict[str, str], n_prompts: int, is_note: bool = False) -> Finding | None:
    """Return the prompts that no sample can get right, null where there is none; as a note, those where this is likely."""
    if not failed:
        return None
    prompt_id, reason = next(iter(failed.items()))
    return Finding(
        "failing_gold",
        where,
        f"the verifier {'may not' if is_note else 'does not'} accept the right answer: {reason}",
        len(failed),
        n_prompts,
        "prompts looked at",
        f"prompt_id={prompt_id}",
        "Look at some: either the answers are wrong, or the verifier misreads such texts, of samples too."
        if is_note
        else "Correct the answers or choose the verifier that reads them: every sample of such a prompt is wrong.",
        is_note,
    )
