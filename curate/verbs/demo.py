"""``curate demo``: the whole loop on the shipped policies, from jobs/demo.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PACKAGE = Path(__file__).parents[1]


def demo(
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value of the job; may be repeated."),
    ] = None,
) -> None:
    """Run the whole loop on the shipped policies: sample, verify, re-weight, train, evaluate, report."""
    from curate.console import say
    from curate.verbs.run import run

    job = demo_job()
    say(f"the job is {job}; everything it makes lies in runs/demo")
    run(job, set_)


def demo_job() -> Path:
    """Return the demo's job file: in the package where it is installed, beside it in a checkout."""
    shipped = PACKAGE / "jobs" / "demo.toml"
    return shipped if shipped.is_file() else PACKAGE.parent / "jobs" / "demo.toml"
