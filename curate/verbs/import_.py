"""``curate import``: stored rollouts -> prompts, samples, and verdicts and advantages where the source has them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.dataset import TableRef
from curate.verbs.options import Overwrite

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.importing import Loaded, Options
    from curate.jobrecord import JobRecord
    from curate.summary import Summary

VARIANT = "imported"
SAMPLES, PROMPTS = TableRef("samples"), TableRef("prompts")
VERDICTS, FEEDBACK, ADVANTAGES = (TableRef(table, VARIANT) for table in ("verdicts", "feedback", "advantages"))
# What an import writes, in this order: what is said of samples names the content id of the samples it is of.
INPUTS: dict[TableRef, list[str]] = {
    PROMPTS: [],
    SAMPLES: [],
    VERDICTS: [str(SAMPLES)],
    FEEDBACK: [str(SAMPLES)],
    ADVANTAGES: [str(SAMPLES)],
}


def import_(
    path: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the dataset.", show_default=False)],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="gsm8k-solutions, verl, trl, open-instruct, tree or generic."),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COL", help="Where a field stands; COL[] is a list column."),
    ] = None,
    correct_when: Annotated[
        str | None, typer.Option(metavar="SQL", help='Outcome from the reward, such as "reward > 0".')
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Decodes sources that hold token ids only.")
    ] = None,
    rows_per_part: Annotated[int, typer.Option(min=1, help="Rows of a part; groups are never split.")] = 100_000,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rejected rows above which nothing is written.")
    ] = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Bring stored rollouts into a dataset; says what it detected, how it grouped, and what it rejected."""
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.importing import Options, parse_map
    from curate.jobrecord import DATASET, JobRecord, versions
    from curate.stage import variant_lock
    from curate.verbs.sources import is_done

    options = Options(parse_map(map_ or []), correct_when, _decoder(tokenizer) if tokenizer else None)
    data = Dataset(to, create=True)
    settings = {
        "map": dict(options.columns),
        "correct_when": correct_when,
        "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
        "rows_per_part": rows_per_part,
    }
    parameters = _source(data, path, format_, options) | settings
    again = command(
        "import",
        *path,
        to=DATASET,
        format_=format_,
        map_=map_,
        correct_when=correct_when,
        tokenizer=tokenizer,
        rows_per_part=rows_per_part,
    )
    records = {
        ref: JobRecord("import", str(ref), parameters, inputs, [], again, versions()) for ref, inputs in INPUTS.items()
    }
    done = records[SAMPLES].hash
    if is_done(data, records, done, overwrite):  # takes no lock, so that a read-only dataset can be imported again
        say(_nothing_to_do(data, path))
        return
    with variant_lock(data, SAMPLES):
        if is_done(data, records, done, overwrite):
            say(_nothing_to_do(data, path))
        else:
            _import(data, records, path, format_, options, rows_per_part, max_bad_share, overwrite)


def _nothing_to_do(data: Dataset, path: list[Path]) -> str:
    gone = [str(each) for each in path if not each.exists()]
    about = f"; the source {', '.join(gone)} is no longer there" if gone else ""
    return f"{SAMPLES}: nothing to do, {len(data.parts(SAMPLES))} part(s) are imported{about}"


def _source(data: Dataset, path: list[Path], format_: str | None, options: Options) -> dict[str, Any]:
    """Return format and fingerprint of the source: as they were at its import where it is no longer there."""
    from curate.importing import choose, fingerprint
    from curate.jobrecord import read_record

    old = read_record(data, SAMPLES)
    gone = {str(each) for each in path if not each.exists()}
    if gone and old and old.verb == "import" and gone <= set(shlex.split(old.command)):
        return {"format": format_ or old.parameters["format"], "source": old.parameters["source"]}
    chosen, _, sources, _ = choose(path, format_, options)
    return {"format": chosen.NAME, "source": fingerprint(sources)}


def _import(
    data: Dataset,
    records: dict[TableRef, JobRecord],
    path: list[Path],
    format_: str | None,
    options: Options,
    rows_per_part: int,
    max_bad_share: float,
    overwrite: bool,
) -> None:
    import shutil
    import time

    from curate.console import say
    from curate.importing import load, sentences
    from curate.summary import Summary
    from curate.verbs.sources import keep_rejects, make_room, mark_finished, refuse_rejects

    started = time.monotonic()
    scratch = data.private / "tmp" / "import"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        loaded = load(path, format_, options, scratch, rows_per_part, path[0].resolve().name)
        report = loaded.report
        kept = keep_rejects(data, "import", report.n_rejects, loaded.rejects_path)
        for line in sentences(report, str(VERDICTS)):
            say(line)
        refuse_rejects(report.n_rejects, report.n_samples + report.n_rejects, max_bad_share, kept)
        make_room(data, records, overwrite)
        summary = Summary(str(SAMPLES), rejected=report.n_rejects, rows_in=report.n_rejects)
        parts = _write_parts(data, records, loaded, summary)
        mark_finished(data, records[SAMPLES].hash, parts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    summary.seconds = time.monotonic() - started
    say(summary)


def _write_parts(
    data: Dataset, records: dict[TableRef, JobRecord], loaded: Loaded, summary: Summary
) -> dict[str, list[str]]:
    """Write what is not there yet, and return the names of all parts by table."""
    from curate.contracts import contract
    from curate.stage import progress

    schemas = {ref.table: contract(ref.table).loose_schema for ref in INPUTS}
    parts: dict[str, list[str]] = {}
    with progress(loaded.report.n_samples, "import") as bar:
        for name, tables in loaded.parts(schemas):
            n_rows = tables["samples"].num_rows
            held = {ref: tables[ref.table] for ref in INPUTS if ref.table in tables}
            missing = {ref: rows for ref, rows in held.items() if not data.part(ref, name).exists()}
            for ref, rows in missing.items():
                _write(data, records, ref, name, rows)
            for ref in held:
                parts.setdefault(str(ref), []).append(name)
            if missing:
                summary.add(n_rows, n_rows, {}, {})
            else:
                summary.parts_done += 1
            bar.update(n_rows)
    return parts


def _write(data: Dataset, records: dict[TableRef, JobRecord], ref: TableRef, name: str, rows: pa.Table) -> None:
    from curate.contracts import contract
    from curate.parts import Footer, write_part
    from curate.stage import temporary_folder

    rules, record = contract(ref.table), records[ref]
    inputs = {str(SAMPLES): _samples_id(data, records, name)} if record.inputs else {}
    about: dict[str, Any] = {"counts": {"rows_in": rows.num_rows, "dropped": {}, "failed": {}}}
    if ref == SAMPLES:
        about["mixed_policy_groups"] = _mixed_policy_groups(rows)
    footer = Footer(rules.hash, record.hash, inputs, record.versions, about)
    write_part(data.part(ref, name), rows, rules, footer, temporary_folder(data, ref))


def _samples_id(data: Dataset, records: dict[TableRef, JobRecord], name: str) -> str:
    """Return the content id of a samples part that this import wrote, or refuse: another's rows have other verdicts."""
    from curate.errors import ContractError
    from curate.parts import read_footer

    footer = read_footer(data.part(SAMPLES, name))
    if footer.job_hash != records[SAMPLES].hash:
        raise ContractError(
            f"{data.part(SAMPLES, name)} was not written by this import, so its rows may not be those of the source: "
            "delete it, and the same command makes it again"
        )
    return footer.content_id


def _mixed_policy_groups(samples: pa.Table) -> int:
    import polars as pl

    frame = pl.DataFrame(samples.select(["group_id", "policy", "policy_version"]))
    distinct = [pl.col(column).drop_nulls().n_unique() for column in ("policy", "policy_version")]
    mixed = frame.group_by("group_id").agg((pl.max_horizontal(distinct) > 1).alias("is_mixed"))
    return int(mixed["is_mixed"].sum())


def _decoder(tokenizer: Path) -> Any:
    """Return the function that turns ids into text; raises ConfigError where the folder holds no tokenizer."""
    from transformers import AutoTokenizer

    from curate.errors import ConfigError

    try:
        loaded = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--tokenizer {tokenizer}: no tokenizer loads from there: {str(error).splitlines()[0]}"
        ) from error
    return lambda ids: loaded.decode(ids, skip_special_tokens=True)
