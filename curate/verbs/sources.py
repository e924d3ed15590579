"""What ``import`` and ``prompts`` share: tables whose rows come from outside, written once and marked as finished."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.jobrecord import JobRecord

SCRATCH = ("import", "prompts-source")  # folders of .curate/tmp that hold rows read from a source


def is_done(data: Dataset, records: dict[TableRef, JobRecord], job: str, overwrite: bool) -> bool:
    """Say whether every part of these tables is there and whole, or refuse where they were made with other parameters.

    ``job`` is the hash that ``mark_finished`` was given.
    """
    import orjson

    from curate.jobrecord import refuse_other_parameters
    from curate.states import IMPORT_FINISHED, missing_parts

    if overwrite:
        return False
    for record in records.values():
        refuse_other_parameters(data, record)
    finished = data.private / IMPORT_FINISHED
    if not finished.exists() or orjson.loads(finished.read_bytes())["job"] != job:
        return False
    return not missing_parts(data) and not _broken_parts(data, records)


def make_room(data: Dataset, records: dict[TableRef, JobRecord], overwrite: bool) -> None:
    """Store the job records, and take away what is about to be replaced."""
    from curate.console import say
    from curate.jobrecord import store
    from curate.stage import clear_temporary
    from curate.states import IMPORT_FINISHED

    (data.private / IMPORT_FINISHED).unlink(missing_ok=True)
    for ref, record in records.items():
        store(data, record, overwrite=overwrite)
        clear_temporary(data, ref)
    for path in _broken_parts(data, records):
        say(f"{path} is no whole Parquet file: deleted, to be made again")
        path.unlink()


def mark_finished(data: Dataset, job: str, parts: dict[str, list[str]]) -> None:
    """Say durably that every part was written, and which there are by table.

    What was spilled on the way goes first: a run that is killed after the mark never comes back to clear it.
    """
    import shutil

    import orjson

    from curate.jobrecord import write_durably
    from curate.states import IMPORT_FINISHED

    for name in SCRATCH:
        shutil.rmtree(data.private / "tmp" / name, ignore_errors=True)
    content = orjson.dumps({"job": job, "parts": parts}, option=orjson.OPT_INDENT_2)
    write_durably(data.private / IMPORT_FINISHED, content)


def keep_rejects(data: Dataset, verb: str, n_rejects: int, written: Path) -> Path:
    """Keep the rejects of this run and return where; those of an earlier one say nothing any more."""
    target = data.private / "rejects" / f"{verb}.jsonl"
    if n_rejects:
        target.parent.mkdir(parents=True, exist_ok=True)
        written.replace(target)
    else:
        target.unlink(missing_ok=True)
    return target


def refuse_rejects(n_rejects: int, n_rows: int, max_bad_share: float, kept: Path) -> None:
    """Raise ShareError where too large a share of the rows was rejected."""
    from curate.errors import ShareError

    if n_rejects / n_rows > max_bad_share:
        raise ShareError(
            f"{n_rejects:,} of {n_rows:,} rows ({n_rejects / n_rows:.1%}) could not be read, more than --max-bad-share "
            f"{max_bad_share:g}; nothing was imported. Each is in {kept} with file, line and reason: mend them, or raise "
            "--max-bad-share."
        )


def _broken_parts(data: Dataset, refs: Iterable[TableRef]) -> list[Path]:
    """Return the parts that are no whole Parquet files."""
    from curate.errors import ContractError
    from curate.parts import read_footer

    broken = []
    for path in (data.part(ref, name) for ref in refs for name in data.parts(ref)):
        try:
            read_footer(path)
        except ContractError:
            broken.append(path)
    return broken
