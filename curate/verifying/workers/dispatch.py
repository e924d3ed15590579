"""The dispatcher of a pool: one thread that hands pairs to workers, watches their clocks, and collects their verdicts.

A worker has some pairs waiting in its pipe beside the one that runs, as many as it answers in about 50 ms (none where one
takes longer), so that neither side waits for the other. It is given no more than its share of all pairs that have no
verdict yet. Where others have nothing to do, what waits behind a long pair is taken back for them; as the worker has read
it all the same, it is killed when it has answered the long one. Its first unanswered pair is the one that runs. When that
has run for too long it is ``timeout``, the worker is killed, and those that waited behind it go to another one.

A pair during which the memory runs out or the worker ends may suffer from what others left behind in that worker: unless
it was the worker's first it is asked once more, as the first of a fresh one, and that counts.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from itertools import count
from typing import Any

from curate.errors import VerifierError
from curate.records import Verdict
from curate.verifying.verifier import Limits
from curate.verifying.workers.process import Ask, Garbage, NurseryProcess, Worker

TICK_S = 0.005  # replies are read at most this often: waking up for each would cost more than reading it
WAIT_S = 0.05
AHEAD_S = 0.05  # of work waits in a worker's pipe
MOST_S = 2 * AHEAD_S  # longer comparisons are all alike: nothing waits behind them
MOST_AHEAD = 128
WEIGHT = 0.05  # of the newest comparison in the mean of their seconds
LONG_S = 1.0  # where what waits for a worker would take longer, it is worth another worker
MOST_IDLE_DEATHS = 5
NO_MEMORY = ("error", "memory_limit")


class Dispatcher:
    """Takes pairs from any thread; ``settled`` is notified when some have their verdicts. A context manager.

    Where no verdict will come any more ``failure`` says why.
    """

    def __init__(self, name: str, settings: dict[str, Any], limits: Limits, n_workers: int) -> None:
        self.name, self.limits, self.n_workers = name, limits, n_workers
        self.settled = threading.Condition()
        self.failure: BaseException | None = None
        self._nursery = NurseryProcess(name, settings, limits)
        self._queue: deque[Ask] = deque()
        self._again: deque[Ask] = deque()  # each of them the first of a fresh worker
        self._workers: dict[int, Worker] = {}
        self._numbers = count()
        self._n_idle_deaths = 0
        self._mean_s = MOST_S  # of a comparison, the newest weighing most, none more than MOST_S
        self._is_over = self._is_awake = False

    def __enter__(self) -> Dispatcher:
        self._nursery.start()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(self._nursery.control, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name="verifier-pool", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def submit(self, ask: Ask) -> None:
        """Have a pair compared, in its turn."""
        self._queue.append(ask)
        if not self._is_awake:
            self._is_awake = True
            os.eventfd_write(self._wake, 1)

    # What follows runs in the dispatcher's thread.

    def _run(self) -> None:
        try:
            while not self._is_over:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for a verdict
            self.failure = error
        finally:
            for worker in self._workers.values():
                worker.close()
            self._nursery.end()
            with self.settled:
                self.failure = self.failure or VerifierError(f"the pool of verifier {self.name} is closed")
                self.settled.notify_all()

    def _turn(self) -> None:
        is_busy = self._queue or self._again or any(worker.asked for worker in self._workers.values())
        events = {descriptor for descriptor, _ in self._poll.poll(WAIT_S * 1000 if is_busy else None)}
        if self._wake in events:
            os.eventfd_read(self._wake)
        self._is_awake = False
        n_waiting = sum(len(worker.asked) for worker in self._workers.values())
        for worker in [each for each in self._workers.values() if each.replies in events]:
            self._read(worker)
        if self._nursery.control.fileno() in events:
            self._hear()
        self._stop_late()
        self._take_back()
        self._feed()
        if n_waiting:
            with self.settled:
                self.settled.notify_all()
        time.sleep(TICK_S)

    def _take_back(self) -> None:
        """Where nothing is queued for an idle worker, queue what waits behind pairs that take long."""
        n_at_work = sum(bool(worker.asked) for worker in self._workers.values())
        if self._queue or n_at_work == self.n_workers:
            return
        now = time.monotonic()
        for worker in self._workers.values():
            if (now - worker.began) * (len(worker.asked) - 1) > LONG_S:
                self._queue.extend(worker.take_back())

    def _feed(self) -> None:
        """Start a worker where more are wanted, and fill the pipes of those that run out of work."""
        has_idle = any(not worker.asked for worker in self._workers.values())
        n_fresh = sum(worker.is_fresh for worker in self._workers.values())
        is_wanted = len(self._again) > n_fresh or (self._queue and not has_idle)
        if is_wanted and len(self._workers) < self.n_workers:
            number = next(self._numbers)
            worker = self._workers[number] = self._nursery.fork(number)
            self._poll.register(worker.replies, select.POLLIN)
        share = (len(self._queue) + sum(len(worker.asked) for worker in self._workers.values())) // self.n_workers
        most = max(1, min(share, MOST_AHEAD, 1 + int(AHEAD_S / self._mean_s)))
        for worker in sorted(self._workers.values(), key=lambda worker: len(worker.asked)):
            if self._again and worker.is_born and worker.is_fresh:
                worker.ask(self._again, 1, self._numbers)
            elif self._queue and worker.can_be_asked and 2 * len(worker.asked) <= most:
                worker.ask(self._queue, most, self._numbers)
            worker.send()
            if worker.outgoing:
                self._poll.register(worker.requests, select.POLLOUT)
            else:
                self._forget_pipe(worker.requests)

    def _read(self, worker: Worker) -> None:
        """Settle what a worker has answered; one that sends what is no answer is given up."""
        try:
            for ask, verdict, seconds in worker.answers():
                self._n_idle_deaths = 0
                if (verdict.outcome, verdict.detail) == NO_MEMORY and not ask.is_first:
                    self._again.append(ask)
                    self._drop(worker)
                    return
                self._settle(ask, verdict, seconds)
                if worker.is_ending:
                    self._drop(worker)
                    return
        except Garbage:
            self._give_up(worker, Verdict("error", detail="worker died: it sent no verdict"))
        if worker.is_at_end:
            self._forget_pipe(worker.replies)

    def _stop_late(self) -> None:
        """Give up the pairs that have run for too long; an answer that has just come in counts."""
        late = time.monotonic() - self.limits.seconds
        for worker in [each for each in self._workers.values() if each.asked and each.began < late]:
            self._read(worker)
            if worker.asked and worker.began < late and worker.number in self._workers:
                self._give_up(worker, Verdict("timeout", detail=f"no verdict within {self.limits.seconds:g} s"))

    def _hear(self) -> None:
        """Take note of the workers that have ended."""
        for number, why in self._nursery.deaths():
            if worker := self._workers.get(number):
                self._read(worker)
                if number not in self._workers:  # its last words were no verdict, and it is given up already
                    continue
                self._n_idle_deaths += not worker.asked and not worker.is_retired
                if self._n_idle_deaths > MOST_IDLE_DEATHS:
                    raise VerifierError(f"the workers of verifier {self.name} end before they are asked: {why}")
                reason = why if why == "memory_limit" else f"worker died: {why}"
                self._give_up(worker, Verdict("error", detail=reason))

    def _give_up(self, worker: Worker, verdict: Verdict) -> None:
        """Settle the pair that runs, or have it asked once more, and drop the worker."""
        if worker.asked and not worker.is_retired:
            ask = worker.asked.popleft()[1]
            if ask.is_first or verdict.outcome == "timeout":
                seconds = time.monotonic() - worker.began
                self._settle(ask, Verdict(verdict.outcome, ask.extracted, verdict.detail), seconds)
            else:
                self._again.append(ask)
        self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        """Put the pairs that wait for a worker back to the front, and have it killed."""
        self._nursery.kill(worker.number)
        self._queue.extendleft(ask for _, ask in reversed(worker.asked))
        self._forget_pipe(worker.replies)
        self._forget_pipe(worker.requests)
        del self._workers[worker.number]
        worker.close()

    def _settle(self, ask: Ask, verdict: Verdict, seconds: float) -> None:
        ask.settle(verdict, seconds)
        self._mean_s += WEIGHT * (min(seconds, MOST_S) - self._mean_s)

    def _forget_pipe(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except KeyError:  # it was at its end before, or there was nothing more to write
            return
