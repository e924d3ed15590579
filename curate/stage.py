"""The stage runner: the one place that joins verifiers, scorers, judges and recipes to tables.

A stage makes one part of one variant from the parts of the same name of its inputs. The runner finds the pending
parts, refuses stale ones, writes each part whole, and ends with rows in, out, dropped, failed and seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from tqdm import tqdm

from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, ContractError, CurateError
from curate.jobrecord import JobRecord, read_record, refuse_other_parameters, store, versions
from curate.journal import Journal
from curate.parts import Footer, n_rows, read_footer, read_part, unreadable, write_part
from curate.states import ContentIds, PartState, import_command, missing_parts, part_states
from curate.summary import Summary, refuse_failures, refuse_unfinished

if TYPE_CHECKING:
    import polars as pl

MAX_FAILED_SHARE = 0.01
HOPELESS_SHARE = 0.5  # of a part that stays unfinished: above it the parts that follow are not tried


@dataclass(frozen=True)
class Made:
    """One part's rows, the rows that were dropped or failed by reason, and facts for its footer."""

    rows: pa.Table
    dropped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


class Unfinished(CurateError):  # noqa: N818 - what became of one part
    """``make`` raises it for a part too much of which failed in a way that may pass: its journal is kept for the next run.

    ``failed`` counts by reason, ``n`` is out of how many.
    """

    def __init__(self, failed: dict[str, int], n: int) -> None:
        super().__init__(f"{sum(failed.values())} of {n} failed")
        self.failed = failed
        self.n = n


@dataclass(frozen=True)
class Stage:
    """What to make (``ref``), from what, how, and the command a user types for it (``DATASET`` in it stands
    for the folder).

    ``make`` gets the name of a part and a path where a slow stage may keep its finished groups (see ``journaled``), and
    returns the part's rows; ``prepare`` runs once, only when a part is pending (loading a model belongs there).

    With ``ahead`` > 0 ``make`` runs in threads: so many parts are made ahead while one is made and written. ``stop`` then
    makes every running ``make`` end soon; it is called when the stage ends with an error. ``has_own_progress`` is for a
    ``make`` that shows a bar over all parts itself. ``reads_all_parts`` is for a ``make`` that reads every part of its
    inputs for one of its own: all are stale once one of those is added or changed. ``about`` goes to the job record.
    """

    verb: str
    ref: TableRef
    inputs: list[TableRef]
    make: Callable[[str, Path], Made]
    parameters: dict[str, Any]
    command: str
    lookups: list[TableRef] = field(default_factory=list)
    prepare: Callable[[], None] = lambda: None
    ahead: int = 0
    stop: Callable[[], None] = lambda: None
    has_own_progress: bool = False
    reads_all_parts: bool = False
    about: dict[str, Any] = field(default_factory=dict)


def run_stage(
    dataset: Dataset, stage: Stage, *, overwrite: bool = False, max_failed_share: float = MAX_FAILED_SHARE
) -> Summary:
    """Make every pending part of the stage's variant and return what was done.

    With ``overwrite`` all parts are made again; the old ones are set aside only once everything is checked and
    prepared. Raises ConfigError when the variant was made with other parameters, or when it or an input is stale;
    ShareError when too many rows of the variant failed (the parts are kept), or when parts were left unfinished.
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
        about=stage.about,
    )
    summary = _summary(stage, _plan(dataset, stage, record, ContentIds(dataset), overwrite))
    if summary.parts_pending:  # a finished variant takes no lock, so that a read-only dataset can be run again
        with variant_lock(dataset, stage.ref):
            ids = ContentIds(dataset)
            states = _plan(dataset, stage, record, ids, overwrite)
            summary = _summary(stage, states)
            stage.prepare()
            store(dataset, record, overwrite=overwrite)
            clear_temporary(dataset, stage.ref)
            _make_parts(dataset, stage, record, [p.name for p in states if p.state == "pending"], ids, summary)
            shutil.rmtree(_journal_folder(dataset, stage.ref), ignore_errors=True)  # those of inputs that changed since
    summary.seconds = time.monotonic() - started
    refuse_failures(dataset, stage.ref, max_failed_share)
    return summary


def _plan(dataset: Dataset, stage: Stage, record: JobRecord, ids: ContentIds, overwrite: bool) -> list[PartState]:
    """Return the state of every part, or refuse, before anything is written."""
    if not overwrite:
        refuse_other_parameters(dataset, record)
    refuse_stale(dataset, [*stage.inputs, *stage.lookups], ids)
    states = part_states(dataset, stage.ref, stage.inputs, ids, made_again=overwrite)
    stale = [p for p in states if p.state == "stale"]
    if stale:
        raise ConfigError(
            stale_message(dataset, stage.ref, stale) + f"Run `{record.command_for(dataset)} --overwrite`."
        )
    return states


def _summary(stage: Stage, states: list[PartState]) -> Summary:
    counts = {state: sum(p.state == state for p in states) for state in ("done", "pending", "waiting")}
    return Summary(
        ref=str(stage.ref),
        parts_done=counts["done"],
        parts_pending=counts["pending"],
        parts_waiting=counts["waiting"],
    )


def _make_parts(
    dataset: Dataset, stage: Stage, record: JobRecord, pending: list[str], ids: ContentIds, summary: Summary
) -> None:
    rows_in = {name: n_rows(dataset.part(stage.inputs[0], name)) for name in pending}
    inputs = {
        name: ids.inputs(name, stage.inputs, stage.lookups, reads_all_parts=stage.reads_all_parts) for name in pending
    }
    journals = {name: _journal_path(dataset, stage.ref, name, record, inputs[name]) for name in pending}
    making = contextlib.closing(_made(stage, journals))
    bar = progress(sum(rows_in.values()), stage.verb, is_shown=not stage.has_own_progress)
    # one part is checked and written while the next is made: most of either runs outside the interpreter's lock
    with bar, ThreadPoolExecutor(max_workers=1) as writer, making as parts:
        writing: Future[None] | None = None
        for name, made in zip(pending, parts, strict=False):
            if isinstance(made, Unfinished):
                summary.leave(made.failed)
                if sum(made.failed.values()) > HOPELESS_SHARE * made.n:
                    break
                continue
            counts = {"rows_in": rows_in[name], "dropped": made.dropped, "failed": made.failed}
            footer = Footer(
                contract_hash=contract(stage.ref.table).hash,
                job_hash=record.hash,
                inputs=inputs[name],
                versions=record.versions,
                about={"counts": counts, **made.about},
            )
            if writing:
                writing.result()
            writing = writer.submit(_keep, dataset, stage.ref, name, made, footer, journals[name])
            summary.add(rows_in[name], made.rows.num_rows, made.dropped, made.failed)
            bar.update(rows_in[name])
        if writing:
            writing.result()
    refuse_unfinished(summary, record.command_for(dataset))


def _made(stage: Stage, journals: dict[str, Path]) -> Generator[Made | Unfinished, None, None]:
    """Make parts in order; while one is waited for and written, ``stage.ahead`` more are being made in threads."""
    if not stage.ahead:
        for name, journal in journals.items():
            yield _make(stage, name, journal)
        return
    with ThreadPoolExecutor(1 + stage.ahead) as makers:
        making: deque[Future[Made | Unfinished]] = deque()
        try:
            for name, journal in journals.items():
                making.append(makers.submit(_make, stage, name, journal))
                if len(making) > stage.ahead:
                    yield making.popleft().result()
            while making:
                yield making.popleft().result()
        except BaseException:
            stage.stop()
            raise


def _make(stage: Stage, name: str, journal: Path) -> Made | Unfinished:
    try:
        return stage.make(name, journal)
    except Unfinished as unfinished:
        return unfinished


def _keep(dataset: Dataset, ref: TableRef, name: str, made: Made, footer: Footer, journal: Path) -> None:
    """Write one part durably; only then is its journal no longer needed."""
    write_part(dataset.part(ref, name), made.rows, contract(ref.table), footer, temporary_folder(dataset, ref))
    journal.unlink(missing_ok=True)


def _journal_path(dataset: Dataset, ref: TableRef, name: str, record: JobRecord, inputs: dict[str, str]) -> Path:
    """Return the path of a part's journal; other inputs or parameters give another path, so none is ever mixed up."""
    origin = hashlib.blake2b(f"{record.hash} {sorted(inputs.items())}".encode(), digest_size=8).hexdigest()
    return _journal_folder(dataset, ref) / f"{name}.{origin}.arrows"


def _journal_folder(dataset: Dataset, ref: TableRef) -> Path:
    return dataset.private / "journal" / str(ref)


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


def same_keys(left: pa.Table | pl.DataFrame, right: pa.Table | pl.DataFrame, where: str) -> None:
    """Raise ContractError unless two parts, both Arrow or both polars, hold the same samples in the same order."""
    if not all(left[key].equals(right[key]) for key in ("group_id", "sample_index")):
        raise ContractError(
            f"{where} does not hold the samples of the part of that name, in their order: make it again with --overwrite"
        )


def refuse_hinted(kept: pl.DataFrame, name: str, instead: str) -> None:
    """Raise ConfigError, with what to do instead, where a sample that would train was drawn with the answer shown."""
    n_hinted = kept["hinted"].sum()
    if n_hinted:
        raise ConfigError(
            f"{n_hinted:,} kept samples of {name} were sampled with the answer shown, and would train on the hint: {instead}"
        )


def progress(total: int, verb: str, *, unit: str = "row", is_shown: bool = True) -> Any:
    """Return a progress bar on stderr, shown after a second and only on a terminal."""
    disable = None if is_shown else True
    return tqdm(total=total, desc=verb, unit=unit, unit_scale=True, delay=1, disable=disable, leave=False)


def refuse_stale(dataset: Dataset, refs: Iterable[TableRef], ids: ContentIds | None = None) -> None:
    """Raise ConfigError, with the command to run, where a part of one of these was made from something that changed.

    An imported part that is gone comes first: making its dependants again without it would lose its rows for good.
    """
    lost = missing_parts(dataset)
    if lost:
        raise ConfigError(
            f"{dataset.root}/{lost[0]} was imported and is missing ({len(lost)} part(s) in all): "
            f"run `{import_command(dataset)}` to make it again, then this command again."
        )
    for ref in refs:
        stale = [p for p in part_states(dataset, ref, [], ids) if p.state == "stale"]
        if stale:
            record = read_record(dataset, ref)
            again = f"{record.command_for(dataset)} --overwrite" if record else dataset.maker(ref.table)
            raise ConfigError(stale_message(dataset, ref, stale) + f"Run `{again}`, then this command again.")


def stale_message(dataset: Dataset, ref: TableRef, stale: list[PartState]) -> str:
    changed = ", ".join(sorted({text for part in stale for text in part.because}))
    return (
        f"{dataset.root}/{ref} is stale: {len(stale)} part(s), first {stale[0].name}, were made from {changed}, "
        "which changed since. "
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


def temporary_folder(dataset: Dataset, ref: TableRef) -> Path:
    """Return where the unfinished parts of a variant lie."""
    return dataset.private / "tmp" / str(ref)


def clear_temporary(dataset: Dataset, ref: TableRef) -> None:
    """Delete what killed runs of this variant left unfinished; the caller holds the variant's lock."""
    shutil.rmtree(temporary_folder(dataset, ref), ignore_errors=True)


def read(dataset: Dataset, ref: TableRef, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read one input part, checked against its contract."""
    return read_part(dataset.part(ref, name), contract(ref.table), columns)


def read_frame(dataset: Dataset, ref: TableRef, name: str, columns: list[str]) -> pl.DataFrame:
    """Read columns of one input part into polars, checked against its contract as ``read`` does."""
    import polars as pl

    path = dataset.part(ref, name)
    if read_footer(path).contract_hash == contract(ref.table).hash:
        try:
            return pl.read_parquet(path, columns=columns, hive_partitioning=False, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ContractError(unreadable(path, error)) from error
    frame = pl.from_arrow(read(dataset, ref, name, columns))
    assert isinstance(frame, pl.DataFrame)
    return frame
