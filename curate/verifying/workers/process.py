"""The job's ends of the pipes: to the nursery, and to each of its workers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from curate.errors import ConfigError, VerifierError
from curate.records import Verdict
from curate.verifying.verifier import Limits
from curate.verifying.workers.worker import BORN, OUTCOMES, RETIRED

READ = 1 << 20
MOST_BYTES = 1 << 20  # of requests that wait in a worker's pipe
LONGEST_REPLY = 1 << 28
START_S, END_S = 300.0, 5.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Garbage(VerifierError):  # noqa: N818 - what a worker said
    """A worker sent what is no reply to what it was asked."""


@dataclass(slots=True, eq=False)
class Ask:
    """One pair to compare, whether it was the first that its worker was asked, and its verdict and seconds once they are known."""

    extracted: str | None
    answer: str
    is_first: bool = False
    verdict: Verdict | None = None
    seconds: float = 0.0

    def settle(self, verdict: Verdict, seconds: float) -> None:
        self.seconds = seconds
        self.verdict = verdict


@dataclass(slots=True, eq=False)
class Worker:
    """One worker: its pipes, what it was asked and has not answered, and when it began with the first of these."""

    number: int
    requests: int
    replies: int
    asked: deque[tuple[int, Ask]] = field(default_factory=deque)
    began: float = 0.0
    is_born: bool = False
    is_fresh: bool = True  # it was asked nothing yet
    is_retired: bool = False
    is_ending: bool = False  # what waited for it was taken back; it goes when it has answered the pair that runs
    is_at_end: bool = False
    outgoing: bytearray = field(default_factory=bytearray)
    incoming: bytearray = field(default_factory=bytearray)

    @property
    def can_be_asked(self) -> bool:
        return self.is_born and not self.is_ending and not self.outgoing

    def take_back(self) -> list[Ask]:
        """Return the pairs that wait behind the one that runs; they are this worker's no more."""
        running, *waiting = self.asked
        self.asked, self.is_ending = deque([running]), True
        return [ask for _, ask in waiting]

    def ask(self, queue: deque[Ask], most: int, numbers: Iterator[int]) -> None:
        """Take pairs from a queue until ``most`` wait for this worker, or until they are long."""
        if not self.asked:
            self.began = time.monotonic()
        lines: list[bytes] = []
        n_bytes = 0
        while queue and len(self.asked) < most and n_bytes < MOST_BYTES:
            ask, number = queue.popleft(), next(numbers)
            lines.append(orjson.dumps([number, ask.extracted, ask.answer], option=orjson.OPT_APPEND_NEWLINE))
            n_bytes += len(lines[-1])
            ask.is_first, self.is_fresh = self.is_fresh, False
            self.asked.append((number, ask))
        self.outgoing += b"".join(lines)

    def send(self) -> None:
        """Write as much as the pipe takes; a pair has not begun before it is written."""
        try:
            if self.outgoing:
                del self.outgoing[: os.write(self.requests, self.outgoing)]
                if len(self.asked) == 1:
                    self.began = time.monotonic()
        except BlockingIOError:
            return
        except BrokenPipeError:  # the nursery will say how it ended
            self.outgoing.clear()

    def answers(self) -> Iterator[tuple[Ask, Verdict, float]]:
        """Yield what has come in, each pair with its verdict; raises Garbage."""
        while chunk := self._read():
            self.incoming += chunk
            if b"\n" in chunk:
                *lines, rest = bytes(self.incoming).split(b"\n")
                self.incoming = bytearray(rest)
                for line in lines:
                    yield from self._answer(line)
            elif len(self.incoming) > LONGEST_REPLY:
                raise Garbage("a reply without an end")

    def _read(self) -> bytes:
        if self.is_at_end:
            return b""
        try:
            chunk = os.read(self.replies, READ)
        except BlockingIOError:
            return b""
        self.is_at_end = not chunk
        return chunk

    def _answer(self, line: bytes) -> Iterator[tuple[Ask, Verdict, float]]:
        if line in (BORN, RETIRED):
            self.is_born, self.is_retired = True, line == RETIRED
            return
        number, ask = self.asked[0] if self.asked else (None, Ask(None, ""))
        seconds, verdict = read_reply(line, number, ask.extracted)
        self.asked.popleft()
        self.began = time.monotonic()
        yield ask, verdict, seconds

    def close(self) -> None:
        os.close(self.requests)
        os.close(self.replies)


def read_reply(line: bytes, number: int | None, extracted: str | None) -> tuple[float, Verdict]:
    """Return seconds and verdict of a reply to request ``number``; raises Garbage for anything else."""
    try:
        replied, outcome, detail, seconds, *rest = orjson.loads(line)
    except (ValueError, TypeError):
        raise Garbage("a reply that is no JSON list") from None
    found = rest[0] if rest else extracted
    is_text = all(text is None or isinstance(text, str) for text in (found, detail))
    is_timed = type(seconds) in (int, float) and 0 <= seconds < float("inf")
    if number is None or type(replied) is not int or replied != number or not (is_text and is_timed) or len(rest) > 1:
        raise Garbage("a reply of another kind, or to another request")
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise Garbage("a reply with an unknown outcome")
    return float(seconds), Verdict(outcome, found, detail)  # type: ignore[arg-type]


class NurseryProcess:
    """The nursery as the job sees it: started, asked to fork and to kill, and ended with all it has started."""

    def __init__(self, name: str, settings: dict[str, Any], limits: Limits) -> None:
        self.name = name
        self._config = [name, settings, [limits.seconds, limits.memory_mb], sys.path]

    def start(self) -> None:
        """Start it; raises ConfigError or VerifierError, with what it says, where it cannot make the verifier."""
        if sys.platform != "linux":
            raise ConfigError("a verifier in worker processes needs Linux: they are watched and ended through /proc")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "curate.verifying.workers.nursery",
                ],  # -P: a code.py that lies about is no module
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                env={**dict.fromkeys(THREADS, "1"), **os.environ},
            )
        try:
            self.control.send(orjson.dumps(self._config, default=str))
            self.control.settimeout(START_S)
            self._hear_start(orjson.loads(self._received() or b"[]"))
        except TimeoutError:
            self.end()
            raise VerifierError(f"verifier {self.name} did not start within {START_S:g} s") from None
        except BaseException:
            self.end()
            raise
        self.control.setblocking(False)

    def _received(self) -> bytes:
        try:
            return self.control.recv(READ)
        except ConnectionResetError:
            return b""

    def _hear_start(self, said: list[str]) -> None:
        if said[:1] == ["failed"]:
            raise (ConfigError if said[1] == "ConfigError" else VerifierError)(said[2])
        if said[:1] != ["ready"]:
            raise VerifierError(f"the process of verifier {self.name} did not start: {self._last_words()}")

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        told = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return f"{told} (exit status {self._process.wait(END_S)})"

    def fork(self, number: int) -> Worker:
        """Have a worker started and return the ends of its pipes."""
        theirs_in, requests = os.pipe2(os.O_CLOEXEC)
        replies, theirs_out = os.pipe2(os.O_CLOEXEC)
        for descriptor in (requests, replies):
            os.set_blocking(descriptor, False)
        with contextlib.suppress(OSError):  # more than this user may have: then long requests take longer
            fcntl.fcntl(requests, fcntl.F_SETPIPE_SZ, MOST_BYTES)
        socket.send_fds(self.control, [orjson.dumps(["fork", number])], [theirs_in, theirs_out])
        os.close(theirs_in)
        os.close(theirs_out)
        return Worker(number, requests, replies)

    def kill(self, number: int) -> None:
        """Have a worker killed, with everything it has started; one that is dead already stays so."""
        self.control.send(orjson.dumps(["kill", number]))

    def deaths(self) -> Iterator[tuple[int, str]]:
        """Yield the workers that have ended, and how; raises VerifierError where the nursery has."""
        while True:
            try:
                message = self._received()
            except BlockingIOError:
                return
            if not message:
                raise VerifierError(f"the process of verifier {self.name} has ended: {self._last_words()}")
            _, number, why = orjson.loads(message)
            yield number, why

    def end(self) -> None:
        """Let it kill all there is; it is gone when this returns."""
        self.control.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
