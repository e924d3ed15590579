"""Whether the verifiers of a dataset accept the right answers of the prompts that were sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from curate.dataset import Dataset, TableRef

if TYPE_CHECKING:
    from curate.checking import Finding
    from curate.checking.gold import Prompt
    from curate.verifying import Verifier

N_GOLD = 4_096
# Bounded, and made without running anything: a job record comes with the dataset, and may name a program.
HARMLESS = ("exact", "numeric", "gsm8k", "multiple_choice", "regex", "countdown")


def failing_gold(data: Dataset, not_looked_at: list[str]) -> Iterator[Finding]:
    """Yield the prompts whose right answer is not accepted: by verifiers that run here, and by what a self-test found."""
    from curate.checking import gold
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.verbs.self_test import failed_golds

    if not data.parts(TableRef("prompts")) or not data.parts(TableRef("samples")):
        return
    try:
        tested = failed_golds(data)
    except ConfigError as error:
        not_looked_at.append(f"right answers: {error}")
        tested = {}
    prompts = _prompts(data)
    if found := gold.failing_gold("prompts", _of(prompts, tested), len(prompts)):
        yield found
    for ref in (TableRef("verdicts", name) for name in data.variants("verdicts")):
        record = read_record(data, ref)
        if record is None or record.verb != "verify":
            continue
        verifier = _harmless(record.parameters)
        if verifier is None:
            if not (data.private / "self-test" / f"{ref.variant}.parquet").exists():
                not_looked_at.append(
                    f"right answers: whether {ref} accepts them: run its `curate verify` with --self-test"
                )
        else:
            yield from _failures(str(ref), verifier, prompts[:N_GOLD])


def _of(prompts: list[Prompt], failed: dict[str, str]) -> dict[str, str]:
    """Return the failures among these prompts: one that was never sampled does no harm."""
    return {prompt_id: failed[prompt_id] for prompt_id, *_ in prompts if prompt_id in failed}


def _prompts(data: Dataset) -> list[Prompt]:
    """Return id, answer and reference of the prompts that have samples and an answer."""
    sampled = data.scan("samples").select("prompt_id").unique()
    prompts = data.scan("prompts").select("prompt_id", "answer", "reference").drop_nulls("answer")
    return list(prompts.join(sampled, on="prompt_id", how="semi", maintain_order="left").collect().iter_rows())


def _harmless(parameters: Mapping[str, Any]) -> Verifier | None:
    from curate.errors import ConfigError
    from curate.verbs.lookup import find_verifier

    name = parameters.get("verifier")
    if name not in HARMLESS:
        return None
    try:
        verifier = find_verifier(name, parameters.get("settings"))
    except ConfigError:
        return None
    return verifier if verifier.limits is None else None


def _failures(where: str, verifier: Verifier, prompts: list[Prompt]) -> Iterator[Finding]:
    from curate.checking.gold import failing_gold, failing_references

    failed = {row[0]: why for row in prompts if (why := _reason(verifier, *row[1:]))}
    others, is_sure = failing_references(prompts, lambda text, answer: verifier(text, answer).outcome)
    if found := failing_gold(where, failed | others if is_sure else failed, len(prompts)):
        yield found
    if not is_sure and (found := failing_gold(where, others, len(prompts), is_note=True)):
        yield found


def _reason(verifier: Verifier, answer: str, reference: str | None) -> str | None:
    """Return why the verifier does not accept its own right answer, null where it does or none is known."""
    completion = verifier.gold(answer, reference)
    verdict = verifier(completion, answer) if completion is not None else None
    if verdict is None or verdict.outcome == "correct":
        return None
    return f"{verdict.outcome}{': ' + verdict.detail if verdict.detail else ''}"
