"""``curate import``: stored rollouts -> prompts, samples, and verdicts and advantages where the source has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import Overwrite

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.importing import Loaded, Options
    from curate.jobrecord import JobRecord

VARIANT = "imported"


def import_(
    path: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the dataset.", show_default=False)],
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="gsm8k-solutions, verl, trl, open-instruct or generic.")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COL", help="Where a field stands; COL[] is a list column.")
    ] = None,
    correct_when: Annotated[
        str | None, typer.Option(metavar="SQL", help='Outcome from the reward, such as "reward > 0".')
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="PATH", help="Decodes sources that hold token ids only.")] = None,
    rows_per_part: Annotated[int, typer.Option(min=1, help="Rows of a part; groups are never split.")] = 100_000,
    max_bad_share: Annotated[float, typer.Option(min=0, max=1, help="Share of rejected rows above which nothing is written.")] = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Bring stored rollouts into a dataset; says what it detected, how it grouped, and what it rejected."""
    from curate.console import say
    from curate.dataset import Dataset, TableRef
    from curate.importing import Options, choose, fingerprint, parse_map
    from curate.jobrecord import JobRecord, read_record, reconcile, versions
    from curate.stage import variant_lock

    options = Options(parse_map(map_ or []), correct_when, _decoder(tokenizer) if tokenizer else None)
    chosen, evidence, sources, _ = choose(path, format_, options)
    parameters = {
        "format": chosen.NAME,
        "map": dict(options.columns),
        "correct_when": correct_when,
        "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
        "rows_per_part": rows_per_part,
        "source": fingerprint(path),
    }
    data = Dataset(to, create=True)
    command = f"curate import {' '.join(map(str, path))} --to {to}"
    records = {
        ref: JobRecord("import", str(ref), parameters, [], [], command, versions())
        for ref in (TableRef("prompts"), TableRef("samples"), TableRef("verdicts", VARIANT), TableRef("advantages", VARIANT))
    }
    samples = TableRef("samples")
    with variant_lock(data, samples):
        ...
