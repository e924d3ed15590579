"""Runs a prover once, within limits of time, memory and written bytes, and leaves nothing of it running.

Where bubblewrap works the prover sees the file system read-only but for its folder, no network, and no other process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

MOST_WRITTEN_MB = 200  # into one file, what it prints included
READ = 1 << 20
PROBE_S = 10.0

# dash takes one limit a call; a soft limit below the hard one is told by SIGXCPU instead of SIGKILL
_LIMITED = (
    'test "$1" && ulimit -S -t "$1" && ulimit -H -t $(($1 + 5)); test "$2" && ulimit -v "$2"; '
    'ulimit -f "$3"; ulimit -c 0; shift 3; exec "$@"'
)


class Failure(NamedTuple):
    """A verdict other than ``correct``, by its outcome and detail: over a limit, refused, or the prover's own failure."""

    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ran:
    """How a prover ended: exit status (128 + N for signal N, null = killed on the wall clock), and what it printed."""

    status: int | None
    output: str
    errors: str
    is_cut: bool = False  # whether there was more output

    @property
    def is_out_of_time(self) -> bool:
        """Whether it used up its CPU time."""
        return self.status == 128 + signal.SIGXCPU

    @property
    def is_out_of_room(self) -> bool:
        """Whether it was ended for the size of a file that it wrote."""
        return self.status == 128 + signal.SIGXFSZ


def run(
    command: Sequence[str],
    folder: Path,
    wall_s: float,
    cpu_s: int | None = None,
    memory_mb: int | None = None,
    work: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command that may write into ``folder``, in ``work`` or else there.

    Limits: ``wall_s`` seconds, ``cpu_s`` seconds of CPU a process, ``memory_mb`` MB of addresses a process. Its
    environment is PATH, ``folder`` as its home, and ``environment``. Of what it prints the first and the last MiB are kept,
    in whole lines.
    """
    limits = [str(cpu_s or ""), str(memory_mb * 1000) if memory_mb else "", str(MOST_WRITTEN_MB * 2000)]
    variables = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    with (folder / "output").open("w+b") as output, (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            [*confinement(folder, work or folder), "/bin/sh", "-c", _LIMITED, "sh", *limits, *command],
            cwd=work or folder,
            env={**variables, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(wall_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(process)
        is_cut = output.seek(0, os.SEEK_END) > 2 * READ
        return Ran(None if status is None else exit_status(status), _text(output), _text(errors), is_cut)


def exit_status(returned: int) -> int:
    """Return the exit status as a shell would say it: 128 + N for signal N."""
    return returned if returned >= 0 else 128 - returned


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and everything in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def confinement(folder: Path | None, work: Path) -> list[str]:
    """Return the words before a command that let it write nowhere but into ``folder``; none where bubblewrap does not work."""
    if not _can_confine():
        return []
    writes = ["--bind", str(folder), str(folder)] if folder else []
    return [*_BUBBLEWRAP, *writes, "--chdir", str(work), "--"]


_BUBBLEWRAP = ("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev")


@functools.cache
def _can_confine() -> bool:
    if shutil.which("bwrap") is None:
        return False
    try:
        probe = subprocess.run([*_BUBBLEWRAP, "--", "/bin/true"], capture_output=True, timeout=PROBE_S, check=False)
    except subprocess.TimeoutExpired:  # a slow machine: no reason to run anything unconfined
        return True
    return probe.returncode == 0


def _text(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= 2 * READ:
        return file.read().decode(errors="replace")
    first, _, _ = file.read(READ).rpartition(b"\n")
    file.seek(size - READ)
    _, _, last = file.read(READ).partition(b"\n")
    return (first + b"\n" + last).decode(errors="replace")


def complaint(errors: str, most: int = 200) -> str:
    """Return what follows the first ``Error:`` of what a prover says, on one line of at most ``most`` characters."""
    after = errors.partition("Error:")[2] or errors
    return " ".join(after.split())[:most] or "no reason given"
