"""Process trees on Linux: who descends from whom, what they hold in memory, and how none of them is left."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PAGE = resource.getpagesize()
TRIES = 1000

_kept: set[int] = set()


def keep(pid: int) -> None:
    """Let a child of this worker live on after the comparison that started it; any other is killed then.

    It dies with the worker all the same.
    """
    _kept.add(pid)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends, whatever session it is in."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "prctl")


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process; empty where it is gone."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_bytes().split())
    except OSError:
        return found
    return found


def descendants(pid: int) -> list[int]:
    """Return every process below one, nearest first."""
    found = children(pid)
    for each in found:
        found += children(each)
    return found


def kill_tree(pid: int) -> None:
    """Kill a process that adopts orphans, and everything below it.

    It is stopped first: what its descendants start meanwhile ends up below it, and is found in the next round.
    """
    _signal(pid, signal.SIGSTOP)
    kill_below(pid)
    _signal(pid, signal.SIGKILL)


def kill_below(pid: int, spared: frozenset[int] | set[int] = frozenset()) -> None:
    """Kill the descendants of a process that adopts orphans, but for some of its children and what is below these."""
    for _ in range(TRIES):
        alive = [
            each
            for child in children(pid)
            if child not in spared
            for each in (child, *descendants(child))
            if not _is_dead(each)
        ]
        for each in alive:
            _signal(each, signal.SIGKILL)
        if not alive:
            return


def kill_strays() -> None:
    """Kill what a comparison has left running below this process, and take note of what has ended."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case, at the price of one call
        return
    kill_below(os.getpid(), _kept)
    for child in set(children(os.getpid())) - _kept:
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            continue


def resident(pid: int) -> int:
    """Return the bytes of memory that a process and everything below it hold; shared pages count for each."""
    return sum(_resident(each) for each in (pid, *descendants(pid)))


def proportional(pid: int) -> int:
    """Return the bytes of memory of a process tree, pages that are shared counted in shares; slower than ``resident``."""
    return sum(_proportional(each) for each in (pid, *descendants(pid)))


def own_memory() -> int:
    """Return the bytes of memory of this process alone that belong to no file."""
    fields = _statm("self")
    return (fields[1] - fields[2]) * PAGE


def data_size() -> int:
    """Return the bytes of address space that the kernel counts against RLIMIT_DATA of this process."""
    return _statm("self")[5] * PAGE


def _resident(pid: int) -> int:
    try:
        return _statm(pid)[1] * PAGE
    except (OSError, IndexError):
        return 0


def _statm(pid: int | str) -> list[int]:
    descriptor = os.open(f"/proc/{pid}/statm", os.O_RDONLY)
    try:
        return [int(field) for field in os.read(descriptor, 200).split()]
    finally:
        os.close(descriptor)


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))


def _is_dead(pid: int) -> bool:
    """Say whether a process is gone, or a zombie that only its parent can remove."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state in (b"Z", b"X")


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
