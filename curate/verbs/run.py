"""``curate run``: the sections of a job file, in pipeline order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    job: Annotated[Path, typer.Argument(metavar="JOB.toml", help="Job file.", show_default=False)],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated."),
    ] = None,
) -> None:
    """Run the sections of a job file in pipeline order, skipping what is done."""
    from curate.job import read_job, steps

    for step in steps(job, read_job(job, set_ or [])):
        step.run()
