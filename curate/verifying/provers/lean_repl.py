"""Lean through the REPL (github.com/leanprover-community/repl): a process that lives on, and keeps each header it has read.

JSON objects with a blank line after each: ``{"cmd": TEXT, "env": N}`` -> ``{"env": M, "messages": [...]}``. The REPL
keeps every environment it has ever made, so it grows with every proof: it is started anew when it has grown.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from curate.verifying.provers.lean_reply import Message, Reply, of_repl, one_line
from curate.verifying.provers.prover import Failure, confinement, end, exit_status
from curate.verifying.workers import processes

HEADER_S = 300
MB = 1_000_000
MOST_BYTES = 1 << 26
LOOK_S = 0.2  # between two looks at the memory


class Repl:
    """A backend: ``command`` in the folder ``project`` is started when it is first needed, once a worker."""

    def __init__(self, command: Sequence[str], project: Path, time_limit: int, memory_mb: int) -> None:
        self.command, self.project = list(command), project
        self.time_limit, self.memory_mb = time_limit, memory_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._headers: dict[str, int] = {}

    def __call__(self, header: str, body: str) -> Reply:
        """Have a body read after its header, which is read once; a process that hangs, swells or dies is replaced."""
        if self._process and self._process.poll() is not None:
            self.close()  # it has died between two proofs, and its headers with it
        reply = self._header(header) if header not in self._headers else []
        if isinstance(reply, list) and not any(message.severity == "error" for message in reply):
            reply = _reply(self._ask({"cmd": body, "env": self._headers[header]}, self.time_limit))
        if self._process and processes.resident(self._process.pid) > self.memory_mb * MB / 2:
            self.close()
        return reply

    def _header(self, header: str) -> Reply:
        """Read a header, in a time of its own; one that cannot be read is the fault of no proof."""
        answered = self._ask({"cmd": header}, HEADER_S)
        reply = _reply(answered)
        if isinstance(reply, Failure):
            return Failure("error", f"the header: {reply.detail}")
        if any(message.severity == "error" for message in reply):
            return reply
        if type(answered.get("env")) is not int:
            return Failure("error", "the header: prover gave it no environment")
        self._headers[header] = answered["env"]
        return reply

    def _ask(self, command: dict[str, Any], seconds: float) -> Any:
        """Send a command and return what is replied, or a failure after which the process is gone."""
        if self._process is None:
            try:
                self._start()
            except OSError as error:
                return Failure("error", f"prover did not start: {error.strerror}")
        replied = self._exchange(orjson.dumps(command) + b"\n\n", time.monotonic() + seconds)
        if isinstance(replied, Failure):
            self.close()
            return replied
        try:
            return orjson.loads(replied)
        except ValueError:
            self.close()
            return Failure("error", "prover: its reply is no JSON")

    def _start(self) -> None:
        self._headers = {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [*confinement(None, self.project), *self.command],
            cwd=self.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        processes.keep(self._process.pid)
        self._ended = weakref.finalize(self, _ended, self._process, self._errors)
        assert self._process.stdin
        assert self._process.stdout
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)

    def _exchange(self, request: bytes, deadline: float) -> bytes | Failure:
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        inlet, outlet = process.stdin.fileno(), process.stdout.fileno()
        received = bytearray()
        while time.monotonic() < deadline:
            readable, writable, _ = select.select([outlet], [inlet] if request else [], [], LOOK_S)
            try:
                if writable:
                    request = request[os.write(inlet, request) :]
                if readable:
                    chunk = os.read(outlet, 1 << 16)
                    received += chunk
                    if not chunk:
                        return self._crash()
            except BrokenPipeError:
                return self._crash()
            if received.endswith((b"\n\n", b"\n\r\n")) and received.strip():
                return bytes(received)
            if len(received) > MOST_BYTES or processes.resident(process.pid) > self.memory_mb * MB:
                return Failure("incorrect", "memory_limit")
        return Failure("incorrect", "time_limit")

    def _crash(self) -> Failure:
        assert self._process
        end(self._process)
        self._errors.seek(0)
        return crash(exit_status(self._process.returncode), self._errors.read(1 << 16).decode(errors="replace"))

    def close(self) -> None:
        """End the process; the next proof starts another."""
        if self._process:
            self._ended()
        self._process = None
        self._headers = {}


def _ended(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    end(process)
    for pipe in (process.stdin, process.stdout, errors):
        if pipe:
            pipe.close()


def _reply(answered: Any) -> list[Message] | Failure:
    return answered if isinstance(answered, Failure) else of_repl(answered)


def crash(status: int, errors: str) -> Failure:
    """Return the verdict on a prover that ended by itself: too deep or too large a proof, else the prover's own failure."""
    if "Stack overflow detected" in errors or "excessive memory consumption" in errors or "out of memory" in errors:
        return Failure("incorrect", "memory_limit")
    said = one_line(errors)
    return Failure("error", f"prover crashed: exit status {status}" + (f": {said}" if said else ""))
