"""``curate import``: stored rollouts -> prompts, samples, and verdicts and advantages where the source has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.dataset import TableRef
from curate.verbs.options import Overwrite

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.importing import Loaded, Options, Report
    from curate.jobrecord import JobRecord
    from curate.stage import Summary

VARIANT = "imported"
SAMPLES, PROMPTS = TableRef("samples"), TableRef("prompts")
VERDICTS, ADVANTAGES = TableRef("verdicts", VARIANT), TableRef("advantages", VARIANT)


def import_(
    path: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the dataset.", show_default=False)],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="gsm8k-solutions, verl, trl, open-instruct or generic."),
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
    from curate.importing import Options, choose, fingerprint, parse_map
    from curate.stage import variant_lock
    from curate.states import IMPORT_FINISHED

    options = Options(parse_map(map_ or []), correct_when, _decoder(tokenizer) if tokenizer else None)
    chosen = choose(path, format_, options)[0]
    parameters = {
        "format": chosen.NAME,
        "map": dict(options.columns),
        "correct_when": correct_when,
        "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
        "rows_per_part": rows_per_part,
        "source": fingerprint(path),
    }
    data = Dataset(to, create=True)
    again = command(
        "import",
        *path,
        to=to,
        format_=format_,
        map_=map_,
        correct_when=correct_when,
        tokenizer=tokenizer,
        rows_per_part=rows_per_part,
    )
    with variant_lock(data, SAMPLES):
        record = _reconcile(data, parameters, again, overwrite)
        if (data.private / IMPORT_FINISHED).exists():
            say(f"samples: nothing to do, {len(data.parts(SAMPLES))} part(s) are imported")
            return
        _import(data, record, path, format_, options, rows_per_part, max_bad_share)


def _reconcile(data: Dataset, parameters: dict[str, Any], command: str, overwrite: bool) -> JobRecord:
    """Store the job records of every table an import may write, or refuse; return the samples' record."""
    from curate.jobrecord import JobRecord, reconcile, versions
    from curate.states import IMPORT_FINISHED

    if overwrite:
        (data.private / IMPORT_FINISHED).unlink(missing_ok=True)
    for ref in (SAMPLES, PROMPTS, VERDICTS, ADVANTAGES):
        record = JobRecord("import", str(ref), parameters, [], [], command, versions())
        reconcile(data, record, overwrite=overwrite)
    return JobRecord("import", str(SAMPLES), parameters, [], [], command, versions())


def _import(
    data: Dataset,
    record: JobRecord,
    path: list[Path],
    format_: str | None,
    options: Options,
    rows_per_part: int,
    max_bad_share: float,
) -> None:
    import shutil
    import time

    from curate.console import say
    from curate.importing import load
    from curate.jobrecord import write_durably
    from curate.stage import Summary, sweep_temporary
    from curate.states import IMPORT_FINISHED

    started = time.monotonic()
    for ref in (SAMPLES, PROMPTS, VERDICTS, ADVANTAGES):
        sweep_temporary(data, ref)
    scratch = data.private / "tmp" / "import"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        loaded = load(path, format_, options, scratch, rows_per_part, path[0].resolve().name)
        _keep_rejects(data, loaded)
        for line in report_lines(loaded.report):
            say(line)
        _refuse_rejects(data, loaded, max_bad_share)
        summary = Summary(str(SAMPLES), rejected=loaded.report.n_rejects, rows_in=loaded.report.n_rejects)
        _write_parts(data, record, loaded, summary)
        write_durably(data.private / IMPORT_FINISHED, record.hash.encode())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    summary.seconds = time.monotonic() - started
    say(summary)


def _write_parts(data: Dataset, record: JobRecord, loaded: Loaded, summary: Summary) -> None:
    """Write every part that is not there yet; samples last, so that a part counts once all its tables do."""
    from curate.stage import Made, progress

    refs = {"prompts": PROMPTS, "verdicts": VERDICTS, "advantages": ADVANTAGES, "samples": SAMPLES}
    finished = set(data.parts(SAMPLES))
    with progress(loaded.report.n_samples, "import") as bar:
        for name, tables in loaded.parts():
            rows = tables["samples"]
            if name in finished:
                summary.parts_done += 1
            else:
                about = {"mixed_policy_groups": _mixed_policy_groups(rows)}
                for table, ref in refs.items():
                    if table in tables:
                        _write(data, record, ref, name, tables[table], about if ref == SAMPLES else {})
                summary.add(rows.num_rows, Made(rows))
            bar.update(rows.num_rows)


def _write(data: Dataset, record: JobRecord, ref: TableRef, name: str, rows: pa.Table, about: dict[str, Any]) -> None:
    from curate.contracts import contract
    from curate.parts import Footer, write_part

    rules = contract(ref.table)
    counts = {"rows_in": rows.num_rows, "dropped": {}, "failed": {}}
    footer = Footer(rules.hash, record.hash, {}, record.versions, {"counts": counts, **about})
    write_part(data.part(ref, name), rows, rules, footer, data.private / "tmp")


def _mixed_policy_groups(samples: pa.Table) -> int:
    import polars as pl

    frame = pl.DataFrame(samples.select(["group_id", "policy", "policy_version"]))
    distinct = [pl.col(column).drop_nulls().n_unique() for column in ("policy", "policy_version")]
    mixed = frame.group_by("group_id").agg((pl.max_horizontal(distinct) > 1).alias("is_mixed"))
    return int(mixed["is_mixed"].sum())


def _keep_rejects(data: Dataset, loaded: Loaded) -> None:
    if loaded.report.n_rejects:
        target = data.private / "rejects" / "import.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        loaded.rejects_path.replace(target)


def _refuse_rejects(data: Dataset, loaded: Loaded, max_bad_share: float) -> None:
    from curate.errors import ShareError

    report = loaded.report
    n_rows = report.n_samples + report.n_rejects
    if report.n_rejects / n_rows > max_bad_share:
        raise ShareError(
            f"{report.n_rejects:,} of {n_rows:,} rows ({report.n_rejects / n_rows:.1%}) could not be read, more than "
            f"--max-bad-share {max_bad_share:g}; nothing was imported. Each is in {data.private / 'rejects' / 'import.jsonl'} with "
            "file, line and reason: mend them, or raise --max-bad-share."
        )


def report_lines(report: Report) -> list[str]:
    """Return what a user must know of an import before he trusts it, one sentence a line."""
    groups = report.groups
    sizes = ", ".join(f"{count:,} of {size}" for size, count in list(groups.sizes.items())[:8])
    more = ", ..." if len(groups.sizes) > 8 else ""
    lines = [
        f"format {report.format} ({report.evidence}); {len(report.files)} file(s)",
        f"{groups.n_groups:,} groups ({sizes}{more}) of {report.n_prompts:,} prompts, {report.n_samples:,} samples",
    ]
    if report.ignored_files:
        lines.append(
            f"not read: {', '.join(report.ignored_files[:5])}{' ...' if len(report.ignored_files) > 5 else ''}"
        )
    if groups.inferred_from:
        lines.append(f"{groups.n_inferred:,} groups inferred from {groups.inferred_from}")
    if groups.n_ambiguous:
        first = "; ".join(groups.first_ambiguous)
        lines.append(
            f"warning: {groups.n_ambiguous:,} inferred groups are a multiple of the common size {groups.common_size}: their "
            f"prompt probably came more than once in a step ({first})"
        )
    elif groups.n_odd:
        lines.append(f"{groups.n_odd:,} groups do not have the common size {groups.common_size}")
    lines.append(_outcome_line(report))
    lines += report.notes
    lines += [f"rejected {each.file}:{each.line}: {each.reason}" for each in report.first_rejects[:5]]
    return lines


def _outcome_line(report: Report) -> str:
    if report.outcome_from:
        return f"outcome from {report.outcome_from}: verdicts/verifier={VARIANT}"
    if report.reward_range:
        low, high = report.reward_range
        return (
            f"rewards run from {low:g} to {high:g} and nothing says which are correct: outcome is null; "
            'say it with --correct-when "reward > 0"'
        )
    return "the source holds no rewards: run `curate verify`"


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
