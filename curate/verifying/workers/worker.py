"""A worker: the process in which ``compare`` runs, one pair after another, until it is killed or its pipe closes.

Requests are JSON lines ``[number, extracted, answer]``, replies JSON lines ``[number, outcome, detail, seconds]``, with
what was extracted as a fifth value where the verdict names something else than what was asked. The compared code finds
nothing but /dev/null in file descriptors 0, 1 and 2, so that what it prints is no reply.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args

import orjson

from curate.errors import CurateError
from curate.records import Outcome, Verdict
from curate.verifying.verifier import Limits
from curate.verifying.workers.processes import data_size, kill_strays, own_memory

Compare = Callable[[str | None, str], Verdict]
MB = 1_000_000
QUICK_S, SOME = 0.001, 32
DETAIL = 1000  # characters of a reason that are kept
OUTCOMES = get_args(Outcome)
BORN, RETIRED = b'"born"', b'"retired"'  # it has begun; it has grown, and another shall take its place


def work(requests: int, replies: int, compare: Compare, limits: Limits) -> None:
    """Answer requests until the pipe closes, or until what comparisons left behind fills half the memory limit."""
    _hush()
    _limit_memory(limits)
    me, base = os.getpid(), own_memory()
    _write(replies, BORN + b"\n")
    for number, extracted, answer in _requests(requests):
        started = time.perf_counter()
        verdict = judged(compare, extracted, answer)
        seconds = time.perf_counter() - started
        if os.getpid() != me:  # the compared code has forked, and this is the copy
            os._exit(0)
        kill_strays()
        _write(replies, _reply(number, verdict, seconds, extracted))
        is_due = seconds > QUICK_S or number % SOME == 0  # a look costs as much as a quick comparison
        if is_due and own_memory() - base > limits.memory_mb * MB / 2:
            _write(replies, RETIRED + b"\n")
            os._exit(0)


def judged(compare: Compare, extracted: str | None, answer: str) -> Verdict:
    """Return the verdict, ``error`` with the exception where there is one, and where it is no verdict."""
    try:
        verdict = compare(extracted, answer)
    except MemoryError:
        return Verdict("error", detail="memory_limit")
    except CurateError as error:
        return Verdict("error", detail=str(error))
    except BaseException as error:  # noqa: BLE001 - whatever a verifier does, the other pairs go on
        return Verdict("error", detail=_told(error))
    if not isinstance(verdict, Verdict) or verdict.outcome not in OUTCOMES:
        return Verdict("error", detail=f"compare returned no verdict but {type(verdict).__name__}")
    return verdict


def _told(error: BaseException) -> str:
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - what a class of the user's own says of itself
        return name
    return f"{name}: {message}" if message else name


def _reply(number: int, verdict: Verdict, seconds: float, extracted: str | None) -> bytes:
    reply: list[Any] = [number, verdict.outcome, verdict.detail and str(verdict.detail)[:DETAIL], round(seconds, 6)]
    if verdict.extracted != extracted:
        reply.append(verdict.extracted)
    try:
        return bytes(orjson.dumps(reply, option=orjson.OPT_APPEND_NEWLINE))
    except TypeError:  # a lone surrogate, or no text at all
        reply = [number, "error", "the verdict holds what is no text", round(seconds, 6)]
        return bytes(orjson.dumps(reply, option=orjson.OPT_APPEND_NEWLINE))


def _requests(descriptor: int) -> Iterator[tuple[int, str | None, str]]:
    parts: list[bytes] = []
    while chunk := os.read(descriptor, 1 << 20):
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield orjson.loads(b"".join([*parts, line]))
            parts = []
        parts.append(rest)


def _write(descriptor: int, content: bytes) -> None:
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:  # the job has ended, or the compared code has closed the pipe
        os._exit(1)


def _hush() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _limit_memory(limits: Limits) -> None:
    """Let this process have ``memory_mb`` more than it has now; what only reserves addresses does not count."""
    most = data_size() + limits.memory_mb * MB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
