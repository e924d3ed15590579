"""The search for what ruins training quietly, over all tables that a dataset has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.checking import Finding
    from curate.dataset import Dataset


def find_faults(
    data: Dataset, model: Path | None = None, tokenizer: Path | None = None
) -> tuple[list[Finding], list[str]]:
    """Return what was found, and a sentence for everything that could not be looked at.

    ``model`` is the policy that sampled: it scores some rows; ``tokenizer`` is its own where none is named. Rules are not
    asked here: a dataset that breaks one may raise ContractError.
    """
    from curate.dataset import TableRef
    from curate.verbs import check_tables as tables
    from curate.verbs.check_gold import failing_gold
    from curate.verbs.check_logprobs import logprob_faults
    from curate.verbs.check_texts import find_tokenizer, ids_not_text, template_twice

    found: list[Finding] = []
    not_looked_at: list[str] = []
    has_samples = bool(data.parts(TableRef("samples")))
    words = find_tokenizer(data, tokenizer, model) if has_samples else None
    if data.parts(TableRef("prompts")):
        found += template_twice(data, words)
    if has_samples:
        found += tables.mixed_policies(data)
        found += tables.duplicated_groups(data)
        found += tables.unflagged_truncation(data)
        found += ids_not_text(data, words, not_looked_at)
        found += logprob_faults(data, model, not_looked_at)
        found += tables.mixed_steps(data, not_looked_at)
    found += tables.misread_rewards(data)
    found += failing_gold(data, not_looked_at)
    # a fault that several kinds of evidence show is told once, by the first
    return list({(each.fault, each.where): each for each in reversed(found)}.values())[::-1], not_looked_at
