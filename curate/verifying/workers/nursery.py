"""The nursery of a pool: a process that makes the verifier once, and forks the workers in which it compares.

``python -m curate.verifying.workers.nursery`` with one end of a socket as standard input. The job sends ``[name, settings,
[seconds, memory_mb], sys.path]``, then ``["fork", number]`` with the two pipes of a worker, or ``["kill", number]``. The nursery
says ``["ready"]`` or ``["failed", error, message]``, then ``["died", number, why]``. It adopts the orphans of its workers,
and when the socket closes, however the job ended, it kills all there is and ends.

A forked worker starts at once, where importing its libraries again may take seconds: a verifier that hangs now and then
costs its limit, not more.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys
from dataclasses import dataclass

import orjson

from curate.errors import CurateError
from curate.verifying.registry import get
from curate.verifying.verifier import Limits
from curate.verifying.workers import processes
from curate.verifying.workers.worker import MB, Compare, work

WATCH_S = 0.05  # how often the memory of workers is looked at
MESSAGE = 1 << 20


@dataclass
class Born:
    """A worker that runs: its process, what it held when it began, and why it was killed where it was."""

    pid: int
    handle: int
    base: int
    why: str | None = None


class Nursery:
    """The workers of one pool; ``run`` serves the socket until it closes."""

    def __init__(self, control: socket.socket, compare: Compare, limits: Limits) -> None:
        self.control, self.compare, self.limits = control, compare, limits
        self.workers: dict[int, Born] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        """Fork, kill and bury workers until the job is gone; nothing is left running then."""
        try:
            while self._serve(self._poll.poll(WATCH_S * 1000)):
                self._watch()
        finally:
            self._clear(set())

    def _serve(self, events: list[tuple[int, int]]) -> bool:
        for number in [n for n, worker in self.workers.items() if any(fd == worker.handle for fd, _ in events)]:
            self._bury(number)
        if not any(fd == self.control.fileno() for fd, _ in events):
            return True
        message, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE, 2)
        if not message:
            return False
        what, number = orjson.loads(message)
        if what == "fork":
            self._fork(number, *descriptors)
        elif number in self.workers:
            processes.kill_tree(self.workers[number].pid)
        return True

    def _fork(self, number: int, requests: int, replies: int) -> None:
        if not (pid := os.fork()):
            self._become_worker(requests, replies)
        os.close(requests)
        os.close(replies)
        handle = os.pidfd_open(pid)
        self.workers[number] = Born(pid, handle, processes.resident(pid))
        self._poll.register(handle, select.POLLIN)

    def _become_worker(self, requests: int, replies: int) -> None:
        try:
            processes.die_with_parent()
            processes.adopt_orphans()
            os.setsid()
            self.control.close()
            for worker in self.workers.values():
                os.close(worker.handle)
            work(requests, replies, self.compare, self.limits)
        finally:
            os._exit(1 if sys.exc_info()[0] else 0)

    def _bury(self, number: int) -> None:
        """Say how a worker ended, and kill what it has left behind."""
        worker = self.workers.pop(number)
        self._poll.unregister(worker.handle)
        os.close(worker.handle)
        status = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        self._say("died", number, worker.why or (f"signal {-status}" if status < 0 else f"exit status {status}"))
        self._clear({each.pid for each in self.workers.values()})

    def _clear(self, spared: set[int]) -> None:
        """Kill and bury everything that runs below this process, but for some workers."""
        while strays := set(processes.children(os.getpid())) - spared:
            processes.kill_below(os.getpid(), spared)
            for pid in strays:
                os.waitpid(pid, 0)

    def _watch(self) -> None:
        most = self.limits.memory_mb * MB
        for worker in self.workers.values():
            if processes.resident(worker.pid) - worker.base > most and processes.proportional(worker.pid) > most:
                worker.why = "memory_limit"
                processes.kill_tree(worker.pid)

    def _say(self, *message: object) -> None:
        try:
            self.control.send(orjson.dumps(message))
        except OSError:  # the job is gone: the next look at the socket ends this process
            return


def main() -> None:
    """Make the verifier that the socket names, and serve its pool."""
    control = socket.socket(fileno=os.dup(0))
    name, settings, limits, sys.path[:] = orjson.loads(control.recv(MESSAGE))
    try:
        verifier = get(name, settings)
    except Exception as error:  # noqa: BLE001 - a factory runs what its user wrote
        is_told = isinstance(error, CurateError)
        message = str(error) if is_told else f"verifier {name} cannot start: {type(error).__name__}: {error}"
        control.send(orjson.dumps(["failed", type(error).__name__, message]))
        return
    processes.adopt_orphans()
    gc.collect()
    gc.freeze()  # what was imported stays shared with the workers
    control.send(orjson.dumps(["ready"]))
    Nursery(control, verifier.compare, Limits(*limits)).run()


if __name__ == "__main__":
    main()
