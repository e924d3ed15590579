"""Watch a program in its sandbox: read what it says, hand it the tests, stop it at its limits."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from curate.errors import VerifierError
from curate.verifying.workers.processes import children

OUTPUT_BYTES = 16_000_000
STARTUP_S = 20.0  # what the sandbox itself may take on a busy machine
_LOOK_S = 0.025  # between two looks at the memory
_FROZEN_S = 1.0  # between two looks: this process itself did not run
_DRAIN_S = 1.0  # for what lies in the pipes when the process has ended
_TAIL = 4096
_PAGES = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB", re.MULTILINE)

Limit = Literal["time_limit", "memory_limit", "output_limit"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The limits of one run: seconds from the program's first line (those in which the watch was frozen aside), and megabytes (10^6 bytes) of all its processes."""

    seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Tests:
    """Test code for a program run as a module: its source, the names it tests, the modules it imports."""

    source: str
    tested: list[str]
    imports: list[str]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended: ``stopped`` names the limit that ended it (null: it ended by itself, with ``code``).

    ``loaded`` says that the module came to its end, ``messages`` are the lines that its tests sent out after that, and
    ``finished`` says that the tests came to their end.
    """

    stopped: Limit | None
    code: int
    stdout: bytes
    stderr: bytes
    loaded: bool
    messages: list[bytes]
    finished: bool


class Watch:
    """The watch over one process; ``control`` is what the sandbox reports, ``hands`` gives the tests."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        allowed: Allowed,
        control: IO[bytes],
        hands: IO[bytes] | None,
        tests: Tests | None,
    ) -> None:
        assert process.stdout
        assert process.stderr
        self.process, self.allowed, self.hands = process, allowed, hands
        self.stdout, self.stderr, self.control = process.stdout.fileno(), process.stderr.fileno(), control.fileno()
        self.said = {self.stdout: bytearray(), self.stderr: bytearray(), self.control: bytearray()}
        self.nonce = secrets.token_hex(16)
        told = {"source": tests.source, "tested": tests.tested, "nonce": self.nonce} if tests else {}
        self.untold = memoryview(json.dumps(told).encode())
        self.started = self.loaded = self.ended = False
        self.deadline = time.monotonic() + STARTUP_S

    def until_end(self) -> Ran:
        """Return how the run ended. Raises VerifierError where the program's first line was never reached."""
        end = os.pidfd_open(self.process.pid)
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(end, selectors.EVENT_READ)
                for descriptor in self.said:
                    os.set_blocking(descriptor, False)
                    selector.register(descriptor, selectors.EVENT_READ)
                stopped = None
                looked = time.monotonic()
                while selector.get_map() and not stopped:
                    self._serve(selector)
                    looked = self.thawed(looked)
                    stopped = None if self.ended else self._limit()
                    if self.ended and time.monotonic() > self.deadline:
                        break
            finally:
                os.close(end)
        code = kill(self.process)
        if not self.started:
            why = last_line(self.said[self.stderr]) or f"nothing ran within {STARTUP_S:.0f} s"
            raise VerifierError(f"the sandbox did not start: {why}")
        return self._ran(stopped, code)

    def thawed(self, looked: float) -> float:
        """Put the deadline off by the time that this process stood still, as then the program may have; return the time now.

        A program cannot bring that about: what it starts may slow the watch down, but not keep it off for so long at each look.
        """
        now = time.monotonic()
        if now - looked > _FROZEN_S:
            self.deadline += now - looked
        return now

    def _serve(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(_LOOK_S):
            if key.fd in self.said:
                self._hear(selector, key.fd)
            elif key.fileobj is self.hands:
                self._tell(selector, self.hands)
            else:  # the process has ended
                selector.unregister(key.fileobj)
                self.ended, self.deadline = True, time.monotonic() + _DRAIN_S

    def _hear(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        heard = os.read(descriptor, 1 << 18)
        if not heard:
            selector.unregister(descriptor)
        if not self._too_much():
            self.said[descriptor] += heard
        if descriptor == self.control:
            self._heed(selector)

    def _heed(self, selector: selectors.BaseSelector) -> None:
        lines = self.said[self.control]
        if not self.started and lines.startswith(b"started\n"):
            self.started, self.deadline = True, time.monotonic() + self.allowed.seconds
        if not self.loaded and lines.startswith(b"started\nloaded\n"):
            self.loaded = True
            if self.hands:
                os.set_blocking(self.hands.fileno(), False)
                selector.register(self.hands, selectors.EVENT_WRITE)

    def _tell(self, selector: selectors.BaseSelector, hands: IO[bytes]) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.untold = self.untold[os.write(hands.fileno(), self.untold) :]
            if self.untold:
                return
        selector.unregister(hands)
        hands.close()

    def _too_much(self) -> bool:
        return sum(map(len, self.said.values())) > OUTPUT_BYTES

    def _limit(self) -> Limit | None:
        if self._too_much():
            return "output_limit"
        if time.monotonic() > self.deadline:
            return "time_limit"
        return "memory_limit" if memory_of(self.process.pid) > self.allowed.memory_mb * 1_000_000 else None

    def _ran(self, stopped: Limit | None, code: int) -> Ran:
        stopped = stopped or ("output_limit" if self._too_much() else None)
        lines = bytes(self.said[self.control]).split(b"\n")[1 + self.loaded : -1]
        finished = not stopped and bool(lines) and lines[-1] == self.nonce.encode()
        stdout, stderr = bytes(self.said[self.stdout]), bytes(self.said[self.stderr][-_TAIL:])
        return Ran(stopped, code, stdout, stderr, self.loaded, lines[: len(lines) - finished], finished)


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill a sandbox where it still runs, and return its exit code: its end is the end of all processes in it.

    Its first process inside goes first, and the one outside reaps it; else a zombie would be left to whoever adopts orphans.
    """
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.wait(_DRAIN_S)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    return code


def memory_of(process: int) -> int:
    """Return the bytes of memory, files aside, that a process and its descendants hold; 0 where it is gone.

    What two of them share counts twice.
    """
    try:
        pages = _PAGES.findall(Path(f"/proc/{process}/status").read_bytes())
        below = children(process)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, pages)) * 1024 + sum(memory_of(child) for child in below)


def last_line(text: bytes | bytearray) -> str:
    """Return the last line that says something, cut to 200 characters of ASCII."""
    lines = text.decode("ascii", "replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
