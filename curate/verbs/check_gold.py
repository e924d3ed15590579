"""Whether a verifier of the dataset accepts the right answers of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.verifying import Verifier


def gold_failures(data: Dataset, parameters: Mapping[str, Any], n: int) -> tuple[dict[str, str], int | None]:
    """Return the prompts whose right answer fails, with a reason, and how many prompts were looked at.

    Their number is null where the verifier is not known here, or needs processes of its own.
    """
    from curate.checking.gold import failing_references
    from curate.errors import ConfigError
    from curate.verbs.lookup import find_verifier

    try:
        verifier = find_verifier(parameters["verifier"], parameters.get("settings"))
    except ConfigError:
        return {}, None
    if verifier.limits is not None:
        return {}, None
    prompts = data.scan("prompts").select("prompt_id", "answer", "reference").drop_nulls("answer").head(n).collect()
    rows = list(prompts.iter_rows())
    failed = {row[0]: why for row in rows if (why := _reason(verifier, *row[1:]))}
    return failed | failing_references(rows, lambda text, answer: verifier(text, answer).outcome), len(rows)


def _reason(verifier: Verifier, answer: str, reference: str | None) -> str | None:
    """Return why the verifier does not accept its own right answer, null where it does or none is known."""
    completion = verifier.gold(answer, reference)
    verdict = verifier(completion, answer) if completion is not None else None
    if verdict is None or verdict.outcome == "correct":
        return None
    return f"{verdict.outcome}{': ' + verdict.detail if verdict.detail else ''}"
