"""The corpus of hostile completions, through the pool: the right outcome in time, and nothing left behind."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import Limits, get
from curate.verifying.workers.pool import Pool
from curate.verifying.workers.processes import PR_SET_CHILD_SUBREAPER, adopt_orphans, children
from verifying.hostile import CORPUS, MARKER, SECRET, SETTINGS, TEXT_LIMIT, TIME_LIMIT, Hostile

GROWTH = 100_000_000
PLACES = [
    Path.home(),
    Path.cwd(),
    Path(tempfile.gettempdir()),
    Path("/tmp"),
    Path("/var/tmp"),
    Path("/dev/shm"),
    Path("/"),
]
QUICK = {
    "an honest script",
    "an honest function",
    "sleeps forever",
    "memory at once",
    "huge output",
    "tries to write to the home folder",
    "connects",
    "reads a secret of the environment",
    "exits before the tests",
    "equals everything",
    "patches math",
    "cut off in its fence",
    "numeric: a million digits",
    "multiple_choice: every letter",
}

Results = dict[str, tuple[Verdict, float]]


def judged(corpus: list[Hostile]) -> Results:
    """Return the verdict on each completion and the seconds it took, every verifier in a pool of its own."""
    results: Results = {}
    for name in {hostile.verifier for hostile in corpus}:
        verifier = get(name, SETTINGS.get(name))
        ours = [hostile for hostile in corpus if hostile.verifier == name]
        pairs = [(verifier.extract(hostile.completion), hostile.answer) for hostile in ours]
        has_own = name == "code" and verifier.limits
        with Pool(name, SETTINGS.get(name), has_own or Limits(TEXT_LIMIT, 2000), 2) as pool:
            for hostile, result in zip(ours, pool.verdicts(pairs), strict=True):
                results[hostile.name] = result
    return results


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail where a process, an open file, a file of ``MARKER`` or much memory is left behind."""
    adopt_orphans()  # what the pool leaves running becomes ours, and is seen
    before, files, peak = set(children(os.getpid())), len([*Path("/proc/self/fd").iterdir()]), resident()
    try:
        yield
    finally:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, *(ctypes.c_ulong(0),) * 4)
    assert set(children(os.getpid())) <= before
    assert len([*Path("/proc/self/fd").iterdir()]) <= files
    assert [place for place in PLACES if list(place.glob(f"{MARKER}*"))] == []
    assert resident() - peak < GROWTH


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def check(corpus: list[Hostile]) -> None:
    """Judge a corpus and compare every outcome, detail and time with what it must be."""
    with pytest.MonkeyPatch.context() as patch, nothing_left():
        patch.setenv(SECRET, "hunter2")
        results = judged(corpus)
    honest = [seconds for name, (_, seconds) in results.items() if name.startswith("an honest")]
    start = statistics.median(honest) if honest else 0.0  # of a sandbox, on a machine as busy as this one is now
    wrong = [
        (hostile.name, verdict.outcome, verdict.detail)
        for hostile in corpus
        for verdict, _ in [results[hostile.name]]
        if verdict.outcome not in hostile.outcomes or (hostile.detail or "") not in (verdict.detail or "")
    ]
    late = {
        hostile.name: seconds
        for hostile in corpus
        for _, seconds in [results[hostile.name]]
        if seconds > (TIME_LIMIT + start if hostile.verifier == "code" else TEXT_LIMIT) + 1
    }
    assert (wrong, late) == ([], {})


def needs_sandbox() -> None:
    try:
        get("code")
    except ConfigError as error:
        pytest.skip(str(error))


def test_some_of_each_kind() -> None:
    needs_sandbox()
    check([hostile for hostile in CORPUS if hostile.name in QUICK])


@pytest.mark.slow
def test_the_whole_corpus() -> None:
    needs_sandbox()
    assert len(CORPUS) >= 60
    check(CORPUS)
