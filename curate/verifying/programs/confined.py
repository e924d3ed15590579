"""Run one program in a sandbox, within limits. All of it is gone when ``run`` returns."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import IO

from curate.errors import VerifierError
from curate.verifying.programs.sandbox import ENVIRONMENT, Sandbox
from curate.verifying.programs.seccomp import seccomp_filter
from curate.verifying.programs.watch import Allowed, Ran, Tests, Watch, kill

FILE_BYTES = 32_000_000
_KILLED = (128 + signal.SIGKILL, -signal.SIGKILL)  # the program, or the sandbox about it
PROCESSES = 16  # of one program, threads counted
_EXCEPTION = re.compile(r"^([A-Za-z_][A-Za-z_0-9.]*)(?::|$)", re.MULTILINE)
# F_ADD_SEALS with F_SEAL_SEAL | SHRINK | GROW | WRITE: the program cannot write what it is given to read.
_ADD_SEALS, _ALL_SEALS = 1033, 15


def run(sandbox: Sandbox, program: str, allowed: Allowed, stdin: str = "", tests: Tests | None = None) -> Ran:
    """Run a program as a script on ``stdin``, or as a module and then the tests.

    Raises VerifierError where the sandbox does not start, and where the machine ran out of memory and the program was killed.
    """
    n_killed = oom_kills()
    with contextlib.ExitStack() as kept, contextlib.ExitStack() as passed:
        source = _sealed(passed, program.encode(errors="surrogatepass"))
        given = _sealed(passed, stdin.encode(errors="replace"))
        filter_ = _sealed(passed, seccomp_filter() or b"")
        control, speaks = _pipe(kept, passed)
        reads, hands = _pipe(passed, kept) if tests else (None, None)
        ends = [source.fileno(), speaks.fileno(), reads.fileno() if reads else -1]
        arguments = [*map(str, [*ends, *_limits(allowed)]), *(tests.imports if tests else [])]
        launch = sandbox(arguments, filter_.fileno())
        try:
            process = subprocess.Popen(
                launch.command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[descriptor for descriptor in (*ends, filter_.fileno()) if descriptor >= 0],
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                **launch.options,
            )
        except OSError as error:
            raise VerifierError(f"the sandbox did not start: {error}") from None
        try:
            passed.close()
            ran = Watch(process, allowed, control, hands, tests).until_end()
        finally:
            kill(process)
    if not ran.stopped and ran.code in _KILLED and oom_kills() > n_killed:
        raise VerifierError(f"the machine ran out of memory, with the program within its {allowed.memory_mb} MB")
    return ran


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, in the whole machine; 0 where it does not say."""
    try:
        events = Path("/proc/vmstat").read_bytes()
    except OSError:
        return 0
    found = re.search(rb"^oom_kill (\d+)$", events, re.MULTILINE)
    return int(found[1]) if found else 0


def fault(ran: Ran) -> str | None:
    """Return why the program failed, in a few words; null where it ended with exit code 0."""
    if ran.stopped or ran.code == 0:
        return ran.stopped
    if ran.code == 128 + signal.SIGXCPU:
        return "time_limit"
    raised = _EXCEPTION.findall(ran.stderr.decode("ascii", "replace"))
    if raised and raised[-1] == "MemoryError":
        return "memory_limit"
    if ran.code > 128:
        return f"signal {ran.code - 128}"
    return f"exit code {ran.code}" + (f": {raised[-1][:60]}" if raised else "")


def _limits(allowed: Allowed) -> list[int]:
    """Return the limits in the order of ``candidate.NUMBERS``."""
    return [math.ceil(allowed.seconds) + 1, allowed.memory_mb * 1_000_000, FILE_BYTES, PROCESSES]


def _sealed(held: contextlib.ExitStack, content: bytes) -> IO[bytes]:
    """Return a file in memory with this content that nobody can write to."""
    file = held.enter_context(os.fdopen(os.memfd_create("curate", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b", 0))
    view = memoryview(content)
    while view:
        view = view[os.write(file.fileno(), view) :]
    file.seek(0)
    fcntl.fcntl(file, _ADD_SEALS, _ALL_SEALS)
    return file


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return the two ends of a pipe, each closed with its stack."""
    read, write = os.pipe()
    return reader.enter_context(os.fdopen(read, "rb", 0)), writer.enter_context(os.fdopen(write, "wb", 0))
