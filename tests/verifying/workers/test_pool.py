"""The pool: whatever one comparison does, each pair gets its outcome, in order, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.errors import ConfigError, VerifierError
from curate.verifying import Limits
from curate.verifying.workers.pool import Pool

LIMIT_S = 1.0

MISBEHAVING = """
import ctypes, os, re, subprocess, sys, time

def leave():
    child = subprocess.Popen(["setsid", "sleep", "1000"])
    with open(os.environ["PIDS"], "a") as file:
        file.write(f"{child.pid}\\\\n")

def judge(completion, answer):
    word = completion.split()[0]
    if word == "hang":
        leave()
        while True:
            pass
    if word == "backtrack":
        return bool(re.search("(a+)+$", "a" * 64 + "b"))
    if word == "power":
        return 9**9**9
    if word == "reserve":
        return len(bytearray(10**12))
    if word == "swell":
        held = []
        while True:
            held.append(b"x" * 10_000_000)
    if word == "leak":
        kept.append(b"x" * 30_000_000)
    if word == "exit":
        leave()
        os._exit(0)
    if word == "sys.exit":
        sys.exit(0)
    if word == "crash":
        ctypes.string_at(0)
    if word == "recurse":
        return judge(completion, answer) + 1
    if word == "raise":
        return {}["no key"]
    if word == "print":
        print('[0, "correct", null, 0.1]', flush=True)
        os.write(1, b'[1, "correct", null, 0.1]\\\\n')
    if word == "shut":
        os.closerange(0, 3)
    if word == "close":
        os.closerange(0, 1000)
    if word == "fork":
        os.fork()
    if word == "leave":
        leave()
    if word == "sleep":
        time.sleep(float(completion.split()[1]))
    if word == "pid":
        return {"reward": 1, "detail": str(os.getpid())}
    return completion == answer

kept = []
""".replace("\\\\", "\\")


@pytest.fixture(scope="module")
def entry_point(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("misbehaving")
    (folder / "judge.py").write_text(MISBEHAVING)
    os.environ["PIDS"] = str(folder / "pids")
    yield f"{folder / 'judge.py'}:judge"
    del os.environ["PIDS"]


@pytest.fixture(scope="module")
def pool(entry_point: str) -> Iterator[Pool]:
    with Pool("python", {"entry_point": entry_point}, Limits(LIMIT_S, 200), 2) as opened:
        yield opened


def outcomes(pool: Pool, *completions: str, answer: str = "5") -> list[tuple[str, str | None]]:
    return [(v.outcome, v.detail) for v, _ in pool.verdicts((text, answer) for text in completions)]


def left_running(path: Path) -> list[int]:
    pids = [int(line) for line in path.read_text().split()]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("word", ["hang", "backtrack", "power"])
def test_a_comparison_that_hangs_is_a_timeout_within_its_limit_and_a_second(pool: Pool, word: str) -> None:
    ((verdict, seconds),) = pool.verdicts([(f"{word} once", "5")])
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("timeout", None, "no verdict within 1 s")
    assert LIMIT_S <= seconds < LIMIT_S + 1


@pytest.mark.parametrize(
    ("word", "detail"),
    [
        ("reserve", "memory_limit"),
        ("swell", "memory_limit"),
        ("exit", "worker died: exit status 0"),
        ("sys.exit", "SystemExit: 0"),
        ("crash", "worker died: signal 11"),
        ("recurse", "RecursionError: maximum recursion depth exceeded"),
        ("raise", "KeyError: 'no key'"),
        ("close", "worker died: exit status 1"),
        ("lone \ud800", "the completion or the answer is no Unicode text"),
    ],
)
def test_a_comparison_that_breaks_is_an_error_and_the_rest_goes_on(pool: Pool, word: str, detail: str) -> None:
    asked = [f"{word} once", "5", "6"]
    assert outcomes(pool, *asked) == [("error", detail), ("correct", None), ("incorrect", None)]


@pytest.mark.parametrize("word", ["print", "shut", "fork", "leave"])
def test_what_a_comparison_writes_or_starts_is_no_verdict(pool: Pool, word: str) -> None:
    asked = [f"{word} {n}" for n in range(5)]
    assert outcomes(pool, *asked, "5") == [("incorrect", None)] * 5 + [("correct", None)]


def test_of_many_pairs_of_which_every_tenth_hangs_or_dies_each_gets_its_own_outcome(entry_point: str) -> None:
    words = ["hang", "exit", "crash", "swell", "raise"]
    asked = [f"{words[n // 10 % 5]} {n}" if n % 10 == 0 else f"{n}" for n in range(500)]
    with Pool("python", {"entry_point": entry_point}, Limits(0.3, 200), 4) as own:
        found = list(own.verdicts((text, str(n)) for n, text in enumerate(asked)))
    wanted = {"hang": "timeout", "exit": "error", "crash": "error", "swell": None, "raise": "error"}
    for text, (verdict, _) in zip(asked, found, strict=True):
        outcome = wanted.get(text.split()[0], "correct")
        assert verdict.outcome == outcome or (outcome is None and verdict.outcome in ("timeout", "error")), text
        assert verdict.extracted in (None, text)


def test_each_distinct_pair_is_compared_once(pool: Pool) -> None:
    before = pool.n_compared
    pairs = [("twice", "5"), ("twice", "6"), (None, "5"), ("", "5")]
    first = list(pool.verdicts(pairs * 10))
    again = list(pool.verdicts(pairs))
    assert pool.n_compared - before == 4
    assert [verdict for verdict, _ in first] == [verdict for verdict, _ in again] * 10
    assert all(seconds == 0 for _, seconds in [*first[4:], *again])


def test_long_texts_pass_whole(pool: Pool) -> None:
    texts = [letter * 3_000_000 for letter in "abcdef"]
    found = [verdict.outcome for verdict, _ in pool.verdicts((text, text) for text in texts)]
    assert found == ["correct"] * 6


def test_pairs_behind_one_that_hangs_are_asked_elsewhere(pool: Pool) -> None:
    quick = [f"{n}" for n in range(300)]
    outcomes(pool, *(f"warm {n}" for n in range(500)))  # so that many wait in one pipe
    found = outcomes(pool, *quick[:150], "hang behind", *quick[150:], answer="7")
    assert [outcome for outcome, _ in found].count("timeout") == 1
    assert [outcome for outcome, _ in found].count("correct") == 1
    assert found[150][0] == "timeout"


def test_a_worker_that_grows_is_replaced_between_pairs(entry_point: str) -> None:
    with Pool("python", {"entry_point": entry_point}, Limits(5, 200), 1) as own:
        pids = [v.detail for v, _ in own.verdicts([("pid 1", "5")])]
        assert outcomes(own, *(f"leak {n}" for n in range(10))) == [("incorrect", None)] * 10
        pids += [v.detail for v, _ in own.verdicts([("pid 2", "5")])]
    assert pids[0] != pids[1]


def test_callers_in_several_threads_each_get_their_own(pool: Pool) -> None:
    found: dict[int, list[tuple[str, str | None]]] = {}

    def ask(n: int) -> None:
        found[n] = outcomes(pool, *(f"{m % 7}" for m in range(100)), answer=str(n))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(7):
        assert [outcome for outcome, _ in found[n]] == ["correct" if m % 7 == n else "incorrect" for m in range(100)]


def test_nothing_is_left_when_the_pool_closes(entry_point: str) -> None:
    with Pool("python", {"entry_point": entry_point}, Limits(0.5, 200), 2) as own:
        outcomes(own, "hang a", "exit a", "leave a")
    assert left_running(Path(os.environ["PIDS"])) == []


JOB = """
import sys
from curate.verifying import Limits
from curate.verifying.workers.pool import Pool
with Pool("python", {"entry_point": sys.argv[1]}, Limits(60, 200), 2) as pool:
    for verdict, _ in pool.verdicts([("pid", "5"), ("hang 1", "5"), ("hang 2", "5")]):
        print(verdict.detail, flush=True)
"""


def hanging_job(entry_point: str) -> tuple[subprocess.Popen[str], int]:
    """Start a job whose workers hang, each with a child in a session of its own; return it and a worker's pid."""
    path = Path(os.environ["PIDS"])
    before = len(path.read_text().split()) if path.exists() else 0
    job = subprocess.Popen(
        [sys.executable, "-c", JOB, entry_point], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert job.stdout
    pid = int(job.stdout.readline())
    deadline = time.monotonic() + 30
    while not path.exists() or len(path.read_text().split()) < before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job, pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_killed_leaves_no_process(entry_point: str, number: signal.Signals) -> None:
    job, pid = hanging_job(entry_point)
    assert Path(f"/proc/{pid}").exists()
    started = time.monotonic()
    job.send_signal(number)
    job.communicate(timeout=30)
    deadline = started + 5
    while Path(f"/proc/{pid}").exists() or left_running(Path(os.environ["PIDS"])):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_verifier_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="there is no file"),
        Pool("python", {"entry_point": "no.py:f"}, Limits(1, 200)),
    ):
        pass
    (tmp_path / "dies.py").write_text(
        "import os, sys\nsys.stderr.write('no libfoo\\n')\nsys.stderr.flush()\nos._exit(3)"
    )
    settings = {"entry_point": f"{tmp_path / 'dies.py'}:f"}
    with (
        pytest.raises(VerifierError, match=r"verifier python did not start: no libfoo \(exit status 3\)"),
        Pool("python", settings, Limits(1, 200)),
    ):
        pass


def test_workers_that_die_before_they_are_asked_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "forks.py").write_text(
        "import os\nos.register_at_fork(after_in_child=lambda: os._exit(9))\njudge = lambda completion, answer: True"
    )
    settings = {"entry_point": f"{tmp_path / 'forks.py'}:judge"}
    with (
        Pool("python", settings, Limits(1, 200), 1) as own,
        pytest.raises(VerifierError, match="end before they are asked: exit status 9"),
    ):
        outcomes(own, "5")
