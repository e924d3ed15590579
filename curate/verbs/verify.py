"""``curate verify``: samples and prompts' answers -> verdicts."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.verbs.judging import Choice


def verify(
    dataset: DatasetDir,
    verifier: Annotated[
        str, typer.Option(metavar="NAME", help="exact, numeric, gsm8k, math, code ...: docs/verifiers.md has them all.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the verifier; may be repeated."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1e6, metavar="S", help="Seconds a comparison may take; the verifier's own if not set."
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, metavar="MB", help="Memory of a comparison; the verifier's own if not set."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes; one a core if not set.")
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test", help="Judge the gold answer of every prompt instead; sampling leaves out what fails."
        ),
    ] = False,
    as_: As = None,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Judge every completion against its prompt's answer: samples -> verdicts."""
    from curate.console import command
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET
    from curate.verbs.checks import verify as check_arguments
    from curate.verbs.judging import Choice
    from curate.verbs.self_test import run_self_test

    check_arguments(verifier=verifier, set_=set_, timeout=timeout, memory=memory, self_test=self_test, as_=as_)
    choice = Choice.of(verifier, set_, timeout, memory)
    given = {
        "verifier": verifier,
        "set_": set_,
        "timeout": timeout,
        "memory": memory,
        "self_test": self_test,
        "as_": as_,
    }
    again, data = command("verify", DATASET, **given), Dataset(dataset)
    if self_test:
        run_self_test(data, as_ or verifier, choice, again, workers, max_failed_share)
    else:
        _verify_samples(data, as_ or verifier, choice, again, workers, max_failed_share, overwrite)


def _verify_samples(
    data: Dataset, name: str, choice: Choice, again: str, workers: int | None, max_failed_share: float, overwrite: bool
) -> None:
    from curate.console import say
    from curate.dataset import TableRef, variant_name
    from curate.stage import Stage, run_stage
    from curate.verbs.judging import Judging
    from curate.verbs.verify_parts import Verification

    samples, prompts = data.choose("samples"), data.choose("prompts")
    with ExitStack() as opened:
        job = Verification(data, samples, Judging(choice, workers))
        stage = Stage(
            verb="verify",
            ref=TableRef("verdicts", variant_name(name)),
            inputs=[samples],
            lookups=[prompts],
            parameters=choice.parameters,
            about=choice.about,
            command=again,
            prepare=lambda: job.prepare(opened),
            make=job.make,
            has_own_progress=job.judging.is_pooled,
        )
        summary = run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)
    if summary.parts_made:
        say(job)
