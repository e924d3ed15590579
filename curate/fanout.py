"""Work on many groups at one time, each of them durable in a journal before it counts.

The groups run on an event loop in a thread of its own, so that neither reading parts nor fsyncs hold up a reply. The
thread that calls ``groups`` is the writer of its journal: what finished while the last fsync ran is covered by the next.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow as pa
from tqdm import tqdm

from curate.contracts import contract
from curate.errors import CurateError
from curate.journal import SYNC_INTERVAL_S, Journal

GRACE_S = 5.0
BATCHES_AT_ONCE = 64
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # batch schedulers send the second

G = TypeVar("G")
T = TypeVar("T")


class GroupFailed(CurateError):  # noqa: N818 - what became of one group, not of the program
    """One group could not be made; ``is_final``: asking again is of no use. ``reason`` is a word, ``detail`` a sentence."""

    def __init__(self, reason: str, detail: str, is_final: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.is_final = is_final


class Done(NamedTuple):
    """The rows of all groups in the order they were given, failed groups left out, and those that failed by key."""

    rows: pa.Table
    failed: dict[int, GroupFailed]


Outcome = tuple[int, pa.RecordBatch | GroupFailed]


@dataclass(eq=False)
class _Job(Generic[G]):
    """One call of ``groups``: what has not started, what runs, and what finished but is not durable yet."""

    journal: Path
    waiting: deque[tuple[int, G]]
    work: Callable[[G], Coroutine[Any, Any, pa.RecordBatch]]
    alive: set[asyncio.Task[pa.RecordBatch]] = field(default_factory=set)
    finished: SimpleQueue[Outcome | None] = field(default_factory=SimpleQueue)  # null: nothing more will come


class Fanout:
    """An event loop for groups, at most ``at_once`` of them alive at one time; a context manager.

    Entered in the main thread it takes SIGINT and SIGTERM: no new group starts, those in flight get 5 s, their journals
    are synced, and ``groups`` (or the end of the ``with`` block) raises KeyboardInterrupt. A second signal cancels what
    is in flight at once; a third finds the handlers that were there before.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._end: BaseException | None = None  # why nothing starts any more
        self._jobs: list[_Job[Any]] = []  # the loop's thread alone changes it
        self._n_alive = 0
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._is_interrupted = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Fanout:
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "fanout")
        self._running = self._thread.submit(asyncio.run, self._live(started))
        started.result()
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._interrupted) or signal.SIG_DFL
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._close)
        self._running.result()
        self._thread.shutdown()
        self._restore()
        if self._is_interrupted and error is None:
            raise KeyboardInterrupt

    def open(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter an async context manager on the loop, such as a client; it is left when the ``with`` block ends."""
        return self.run(self._resources.enter_async_context(resource))

    def stop(self) -> None:
        """Start nothing more and cancel what is in flight; for a caller that ends with an error of its own.

        After a signal it does nothing: what is in flight has its 5 s, whichever part the caller met first.
        """
        if self._end is None:
            self._loop.call_soon_threadsafe(self._stop, KeyboardInterrupt())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine on the loop and return its result; a signal cancels it and raises KeyboardInterrupt."""
        call = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._calls.add(call)
        if self._end is not None:  # the signal came before
            call.cancel()
        try:
            return call.result()
        except concurrent.futures.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            self._calls.discard(call)

    def groups(
        self,
        journal: Path,
        table: str,
        groups: Sequence[G],
        key: Callable[[G], int],
        work: Callable[[G], Awaitable[pa.RecordBatch]],
        on_done: Callable[[int], None] = lambda key: None,
    ) -> Done:
        """Return ``work`` of every group: one record batch of ``table`` each, whose group_id is ``key`` of the group.

        Groups whose key is in the journal are not asked again. ``on_done(key)`` is called once a group is durable, in
        the calling thread; for those of the journal at once. ``work`` raises GroupFailed where this group alone cannot
        be made; any other error ends every call of ``groups`` with that error, the journals kept. May be called from
        several threads at one time: groups of the journal whose name comes first start first.
        """
        asked = {key(group): group for group in groups}
        with Journal(journal, contract(table).loose_schema) as kept:
            found = dict.fromkeys(_key(batch) for batch in kept.batches())
            for each in found:
                on_done(each)
            missing = deque((each, group) for each, group in asked.items() if each not in found)
            n_missing = len(missing)
            job = _Job(journal, missing, lambda group: _awaited(work(group)))
            failed = self._written(kept, job, on_done)
            if kept.n_counted - len(found) + len(failed) < n_missing:
                raise self._reason()
            return Done(_in_order(kept, asked), failed)

    def _written(self, kept: Journal, job: _Job[Any], on_done: Callable[[int], None]) -> dict[int, GroupFailed]:
        """Start a job, append what it finishes to its journal until nothing more comes, and return what failed."""
        failed: dict[int, GroupFailed] = {}
        is_open = True
        self._loop.call_soon_threadsafe(self._enter, job)
        try:
            while is_open:
                outcomes = _all_of(job.finished)
                is_open = outcomes[-1] is not None
                batches: dict[int, pa.RecordBatch] = {}
                for key, made in filter(None, outcomes):
                    (failed if isinstance(made, GroupFailed) else batches)[key] = made
                kept.extend(batches.values())
                for key in batches:
                    on_done(key)
                if is_open:
                    time.sleep(SYNC_INTERVAL_S)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._stop, error)
            while is_open:
                is_open = job.finished.get() is not None
            raise
        return failed

    def _reason(self) -> BaseException:
        """Return what ``groups`` raises: a new KeyboardInterrupt, or the error that ended everything."""
        end = self._end
        return KeyboardInterrupt() if end is None or isinstance(end, KeyboardInterrupt) else end

    # What follows runs in the loop's thread, but for the handler of signals and _restore.

    async def _live(self, started: concurrent.futures.Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        async with AsyncExitStack() as self._resources:
            started.set_result(None)
            await self._over.wait()
            alive = [task for job in self._jobs for task in job.alive]
            await asyncio.gather(*alive, return_exceptions=True)

    def _close(self) -> None:
        self._stop(KeyboardInterrupt())
        self._over.set()

    def _enter(self, job: _Job[Any]) -> None:
        self._jobs.append(job)
        self._jobs.sort(key=lambda job: job.journal)
        self._start()

    def _start(self) -> None:
        """Start groups while there is room, and let go of jobs that have nothing left to do."""
        for job in list(self._jobs):
            while job.waiting and self._n_alive < self.at_once and self._end is None:
                key, group = job.waiting.popleft()
                task = self._loop.create_task(job.work(group))
                self._n_alive += 1
                job.alive.add(task)
                task.add_done_callback(partial(self._finish, job, key))
            if not job.alive and (self._end is not None or not job.waiting):
                self._jobs.remove(job)
                job.finished.put(None)

    def _finish(self, job: _Job[Any], key: int, task: asyncio.Task[pa.RecordBatch]) -> None:
        job.alive.discard(task)
        self._n_alive -= 1
        if task.cancelled():
            if self._end is None:
                job.finished.put((key, GroupFailed("cancelled", "its work was cancelled")))
        elif (error := task.exception()) is None:
            job.finished.put((key, task.result()))
        elif isinstance(error, GroupFailed):
            job.finished.put((key, error))
        else:
            self._stop(error)
        self._start()

    def _stop(self, error: BaseException, grace_s: float = 0.0) -> None:
        """Start nothing more; cancel what is in flight when ``grace_s`` is over."""
        self._end = self._end or error
        self._loop.call_later(grace_s, self._cancel)
        for call in list(self._calls):
            call.cancel()
        self._start()

    def _cancel(self) -> None:
        for job in self._jobs:
            for task in job.alive:
                task.cancel()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._is_interrupted:
            self._restore()
        grace_s = 0.0 if self._is_interrupted else GRACE_S
        self._is_interrupted = True
        self._loop.call_soon_threadsafe(self._drain, grace_s)

    def _drain(self, grace_s: float) -> None:
        if grace_s and self._n_alive:
            said = f"stopping: {self._n_alive} groups in flight have {grace_s:.0f} s to end; Ctrl-C again stops at once"
            tqdm.write(said, file=sys.stderr)  # above a bar, where there is one
        self._stop(KeyboardInterrupt(), grace_s)

    def _restore(self) -> None:
        while self._former:
            signal.signal(*self._former.popitem())


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _all_of(finished: SimpleQueue[Outcome | None]) -> list[Outcome | None]:
    """Wait for one outcome and return all there are."""
    outcomes = [finished.get()]
    while not finished.empty():
        outcomes.append(finished.get())
    return outcomes


def _key(batch: pa.RecordBatch) -> int:
    return int(batch["group_id"][0].as_py())


def _in_order(kept: Journal, order: Iterable[int]) -> pa.Table:
    """Return the rows of a journal, its batches in the order of these keys.

    Some batches at a time become one: a batch of a few rows weighs far more than its rows.
    """
    spans: dict[int, range] = {}
    tables = [kept.schema.empty_table()]
    n_rows = 0
    batches = kept.batches()
    while some := list(islice(batches, BATCHES_AT_ONCE)):
        for batch in some:
            spans[_key(batch)] = range(n_rows, n_rows + batch.num_rows)
            n_rows += batch.num_rows
        tables.append(pa.Table.from_batches(some).combine_chunks())
    places = [place for key in order for place in spans.get(key, ())]
    return pa.concat_tables(tables).take(pa.array(places, pa.int64())).combine_chunks()
