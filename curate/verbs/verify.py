"""``curate verify``: samples and prompts' answers -> verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.records import Verdict
    from curate.stage import Made
    from curate.verifying.verifier import Verifier


def verify(
    dataset: DatasetDir,
    verifier: Annotated[str, typer.Option(metavar="NAME", help="exact, numeric, gsm8k or countdown.")],
    as_: As = None,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Judge every completion against its prompt's answer: samples -> verdicts."""
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.jobrecord import DATASET
    from curate.stage import Stage, run_stage
    from curate.verbs.lookup import find_verifier

    judge = find_verifier(verifier)
    data = Dataset(dataset)
    samples, prompts = data.choose("samples"), data.choose("prompts")
    variant = variant_name(as_ or verifier)
    answers: dict[str, str | None] = {}
    stage = Stage(
        verb="verify",
        ref=TableRef("verdicts", variant),
        inputs=[samples],
        lookups=[prompts],
        parameters={"verifier": verifier},
        command=command("verify", DATASET, verifier=verifier, as_=as_),
        prepare=lambda: answers.update(_answers(data)),
        make=lambda name, _: _verify_part(data, samples, name, judge, answers),
    )
    summary = run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)


def _answers(data: Dataset) -> dict[str, str | None]:
    frame = data.scan("prompts").select("prompt_id", "answer").collect()
    return dict(zip(frame["prompt_id"], frame["answer"], strict=True))


def _verify_part(
    data: Dataset, samples: TableRef, name: str, verifier: Verifier, answers: dict[str, str | None]
) -> Made:
    """Judge one part; each (extracted answer, answer) pair is compared once."""
    import time
    from collections import Counter

    from curate.contracts import contract
    from curate.stage import Made, read

    rows = read(data, samples, name, ["group_id", "sample_index", "prompt_id", "completion"])
    known: dict[tuple[str | None, str], Verdict] = {}
    verdicts: list[Verdict] = []
    seconds: list[float] = []
    for prompt_id, completion in zip(rows["prompt_id"].to_pylist(), rows["completion"].to_pylist(), strict=True):
        started = time.perf_counter()
        verdicts.append(verdict_on(verifier, completion, answers.get(prompt_id), known))
        seconds.append(time.perf_counter() - started)
    columns = {
        "group_id": rows["group_id"],
        "sample_index": rows["sample_index"],
        "outcome": [v.outcome for v in verdicts],
        "reward": [v.reward for v in verdicts],
        "extracted": [v.extracted for v in verdicts],
        "detail": [v.detail for v in verdicts],
        "seconds": seconds,
    }
    failed = Counter[str](v.outcome for v in verdicts if v.reward is None)
    return Made(contract("verdicts").rows(columns), failed=dict(failed))


def verdict_on(
    verifier: Verifier, completion: str | None, answer: str | None, known: dict[tuple[str | None, str], Verdict]
) -> Verdict:
    """Judge one completion; ``known`` keeps the verdict on every (extracted answer, answer) pair met so far.

    Without a text or an answer there is nothing to judge: outcome ``error``.
    """
    from curate.records import Verdict

    if completion is None:
        return Verdict("error", detail="no completion text: import with --tokenizer PATH")
    if answer is None:
        return Verdict("error", detail="the prompt has no answer")
    extracted = verifier.extract(completion)
    pair = (extracted, answer)
    if pair not in known:
        known[pair] = verifier.compare(extracted, answer)
    return known[pair]
