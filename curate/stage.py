"""The stage runner: the one place that joins verifiers, scorers, judges and recipes to tables.

A stage makes one part of one variant from the parts of the same name of its inputs. The runner finds the pending
parts, refuses stale ones, writes each part whole, and ends with rows in, out, dropped, failed and seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from tqdm import tqdm

from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError, ShareError
from curate.jobrecord import JobRecord, read_record, reconcile, versions
from curate.journal import Journal
from curate.parts import Footer, n_rows, read_footer, read_part, write_part
from curate.states import ContentIds, PartState, part_states

if TYPE_CHECKING:
    import polars as pl

MAX_FAILED_SHARE = 0.01


@dataclass(frozen=True)
class Made:
    """One part's rows, the rows that were dropped or failed by reason, and facts for its footer."""

    rows: pa.Table
    dropped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What to make (``ref``), from what, how, and the command a user types for it.

    ``make`` gets the name of a part and a path where a slow stage may keep its finished groups (see ``journaled``), and
    returns the part's rows; ``prepare`` runs once, only when a part is pending (loading a model belongs there).
    """

    verb: str
    ref: TableRef
    inputs: list[TableRef]
    make: Callable[[str, Path], Made]
    parameters: dict[str, Any]
    command: str
    lookups: list[TableRef] = field(default_factory=list)
    prepare: Callable[[], None] = lambda: None


@dataclass
class Summary:
    """What a run of a stage did; ``str()`` is the line a user reads."""

    ref: str
    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    parts_made: int = 0
    parts_done: int = 0
    parts_waiting: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        waiting = f"; {self.parts_waiting} part(s) wait for an input" if self.parts_waiting else ""
        if not self.parts_made:
            return f"{self.ref}: nothing to do, {self.parts_done} part(s) are done{waiting}"
        return (
            f"{self.ref}: {self.rows_in:,} rows in, {self.rows_out:,} out, {_by_reason('dropped', self.dropped)}, "
            f"{self.rejected:,} rejected, {_by_reason('failed', self.failed)}, {self.parts_made} part(s) made"
            f" ({self.parts_done} were done){waiting}, {self.seconds:.1f} s"
        )

    def add(self, rows_in: int, made: Made) -> None:
        self.rows_in += rows_in
        self.rows_out += made.rows.num_rows
        self.parts_made += 1
        for total, part in ((self.dropped, made.dropped), (self.failed, made.failed)):
            for reason, count in part.items():
                total[reason] = total.get(reason, 0) + count


def _by_reason(word: str, counts: dict[str, int]) -> str:
    total = sum(counts.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()) if count)
    return f"{total:,} {word}" + (f" ({reasons})" if reasons else "")


def run_stage(dataset: Dataset, stage: Stage, *, overwrite: bool = False) -> Summary:
    """Make every pending part of the stage's variant and return what was done.

    Raises ConfigError when the variant was made with other parameters, or when it or an input is stale; ShareError
    when too many rows failed (the parts are kept).
    """
    started = time.monotonic()
    record = JobRecord(
        verb=stage.verb,
        ref=str(stage.ref),
        parameters=stage.parameters,
        inputs=[str(ref) for ref in stage.inputs],
        lookups=[str(ref) for ref in stage.lookups],
        command=stage.command,
        versions=versions(),
    )
    with variant_lock(dataset, stage.ref):
        reconcile(dataset, record, overwrite=overwrite)
        sweep_temporary(dataset, stage.ref)
        ids = ContentIds(dataset)
        states = part_states(dataset, stage.ref, stage.inputs, ids)
        _refuse_stale(dataset, stage, states, ids)
        summary = Summary(
            ref=str(stage.ref),
            parts_done=sum(p.state == "done" for p in states),
            parts_waiting=sum(p.state == "waiting" for p in states),
        )
        dataset.folder(stage.ref).mkdir(parents=True, exist_ok=True)
        pending = [p.name for p in states if p.state == "pending"]
        _make_parts(dataset, stage, record, pending, ids, summary)
    summary.seconds = time.monotonic() - started
    refuse_failures(summary)
    return summary


def _make_parts(
    dataset: Dataset, stage: Stage, record: JobRecord, pending: list[str], ids: ContentIds, summary: Summary
) -> None:
    if not pending:
        return
    stage.prepare()
    rows_in = {name: n_rows(dataset.part(stage.inputs[0], name)) for name in pending}
    rules = contract(stage.ref.table)
    # one part is checked and written while the next is made: most of either runs outside the interpreter's lock
    with progress(sum(rows_in.values()), stage.verb) as bar, ThreadPoolExecutor(max_workers=1) as writer:
        writing: Future[None] | None = None
        for name in pending:
            inputs = ids.inputs(name, stage.inputs, stage.lookups)
            journal = _journal_path(dataset, stage.ref, name, record, inputs)
            made = stage.make(name, journal)
            counts = {"rows_in": rows_in[name], "dropped": made.dropped, "failed": made.failed}
            footer = Footer(
                contract_hash=rules.hash,
                job_hash=record.hash,
                inputs=inputs,
                versions=record.versions,
                about={"counts": counts, **made.about},
            )
            if writing:
                writing.result()
            writing = writer.submit(_keep, dataset, stage.ref, name, made, footer, journal)
            summary.add(rows_in[name], made)
            bar.update(rows_in[name])
        if writing:
            writing.result()


def _keep(dataset: Dataset, ref: TableRef, name: str, made: Made, footer: Footer, journal: Path) -> None:
    """Write one part durably; only then is its journal no longer needed."""
    write_part(dataset.part(ref, name), made.rows, contract(ref.table), footer, dataset.private / "tmp")
    journal.unlink(missing_ok=True)


def _journal_path(dataset: Dataset, ref: TableRef, name: str, record: JobRecord, inputs: dict[str, str]) -> Path:
    """Return the path of a part's journal; other inputs or parameters give another path, so none is ever mixed up."""
    origin = hashlib.blake2b(f"{record.hash} {sorted(inputs.items())}".encode(), digest_size=8).hexdigest()
    return dataset.private / "journal" / str(ref) / f"{name}.{origin}.arrows"


def journaled(
    journal: Path, table: str, groups: Iterable[list[dict[str, Any]]], work: Callable[[list[dict[str, Any]]], pa.Table]
) -> pa.Table:
    """Return ``work`` of every group in order; groups that a killed run has finished come from the journal."""
    schema = contract(table).loose_schema
    with Journal(journal, schema) as finished:
        for group in islice(groups, finished.n_counted, None):
            finished.append(work(group).combine_chunks().to_batches()[0])
        finished.sync()
        return pa.Table.from_batches(finished.batches(), schema=schema)


def same_keys(left: pa.Table, right: pa.Table, where: str) -> None:
    """Raise ContractError unless two parts hold the same samples in the same order."""
    for column in ("group_id", "sample_index"):
        if not left[column].equals(right[column]):
            raise ContractError(
                f"{where} does not hold the samples of the part of that name, in their order: make it again with --overwrite"
            )


def progress(total: int, verb: str) -> Any:
    """Return a progress bar on stderr, shown after a second and only on a terminal."""
    return tqdm(total=total, desc=verb, unit="row", unit_scale=True, delay=1, disable=None, leave=False)


def _refuse_stale(dataset: Dataset, stage: Stage, states: list[PartState], ids: ContentIds) -> None:
    for ref in [*stage.inputs, *stage.lookups]:
        record = read_record(dataset, ref)
        own = part_states(dataset, ref, [], ids)
        stale = [p for p in own if p.state == "stale"]
        if stale:
            command = f"{record.command} --overwrite" if record else dataset.maker(ref.table)
            raise ConfigError(_stale_message(dataset, ref, stale) + f"Run `{command}`, then this command again.")
    stale = [p for p in states if p.state == "stale"]
    if stale:
        raise ConfigError(_stale_message(dataset, stage.ref, stale) + f"Run `{stage.command} --overwrite`.")


def _stale_message(dataset: Dataset, ref: TableRef, stale: list[PartState]) -> str:
    changed = ", ".join(sorted({text for part in stale for text in part.because}))
    return (
        f"{dataset.root}/{ref} is stale: {len(stale)} part(s), first {stale[0].name}, were made from {changed}, "
        "which changed since. "
    )


def refuse_failures(summary: Summary) -> None:
    """Raise ShareError when the share of failed rows is above the limit."""
    failed = sum(summary.failed.values())
    if summary.rows_in and failed / summary.rows_in > MAX_FAILED_SHARE:
        raise ShareError(
            f"{summary}\n{summary.ref}: {failed / summary.rows_in:.1%} of the rows failed "
            f"({_by_reason('failed', summary.failed)}), more than {MAX_FAILED_SHARE:.0%}. The rows are kept with their reasons: "
            f"look at them with `curate sql`, mend the cause, and run again with --overwrite."
        )


@contextlib.contextmanager
def variant_lock(dataset: Dataset, ref: TableRef | str) -> Iterator[None]:
    """Hold the lock of a variant or file; the kernel lets go of it when the process ends, however it ends."""
    path = dataset.private / "locks" / f"{str(ref).replace('/', '.')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process is writing {dataset.root}/{ref}: wait for it to end, or write another variant with --as NAME"
            ) from None
        yield


def sweep_temporary(dataset: Dataset, ref: TableRef) -> None:
    """Delete what killed runs of this variant left unfinished; the caller holds the variant's lock."""
    folder = dataset.folder(ref).name
    for path in (dataset.private / "tmp").glob(f"{ref.table}-{folder}-*"):
        path.unlink(missing_ok=True)


def read(dataset: Dataset, ref: TableRef, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read one input part, checked against its contract."""
    return read_part(dataset.part(ref, name), contract(ref.table), columns)


def read_frame(dataset: Dataset, ref: TableRef, name: str, columns: list[str]) -> pl.DataFrame:
    """Read columns of one input part into polars, checked against its contract as ``read`` does."""
    import polars as pl

    path = dataset.part(ref, name)
    if read_footer(path).contract_hash == contract(ref.table).hash:
        return pl.read_parquet(path, columns=columns, hive_partitioning=False, glob=False)
    frame = pl.from_arrow(read(dataset, ref, name, columns))
    assert isinstance(frame, pl.DataFrame)
    return frame
