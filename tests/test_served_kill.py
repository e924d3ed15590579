"""kill -9 at 50 random instants, servers that die, Ctrl-C: nothing is lost or doubled, and what is finished is not asked again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curate.dataset import Dataset
from curate.ids import group_id
from curate.models.fingerprint import fingerprint
from curate.verbs.check import find_problems
from fake_server import FakeServer
from forks import Forks
from sample_served_case import (
    GROUP_SIZE,
    KEY,
    MAX_NEW_TOKENS,
    POLICY,
    VOCABULARY,
    check_rows,
    rows,
    run,
    words,
)
from stored import SAMPLES, countdown_prompts

N_KILLS = 50
N_RESTARTS = 4
N = 800
PER_PART = 100
AT_ONCE = 8
FEW = 2
COLUMNS = (*KEY, "prompt_id", "seed", "completion", "completion_ids", "logprobs", "finish_reason")


def prompts(folder: Path, n: int = N, per_part: int = PER_PART) -> Dataset:
    return countdown_prompts(folder, n=n, prompts_per_part=per_part)


def unbroken(folder: Path, n: int = N, per_part: int = PER_PART) -> pl.DataFrame:
    data = prompts(folder, n, per_part)
    with FakeServer(vocabulary=VOCABULARY) as server:
        run(words(data, server))
    return check_rows(data).select(COLUMNS)


def finished(data: Dataset) -> set[int]:
    """Return the groups in parts and journals, the torn tail of a journal left out."""
    found = set(data.scan("samples").collect()["group_id"]) if data.parts(SAMPLES) else set()
    for path in (data.private / "journal" / "samples").glob("*.arrows"):
        try:
            with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    found.add(batch["group_id"][0].as_py())
        except (pa.ArrowInvalid, OSError):
            continue
    return found


def unfinished_files(data: Dataset) -> list[Path]:
    return [path for path in data.folder(SAMPLES).rglob("*") if path.suffix != ".parquet"]


class Asked:
    """What the server has answered for each finished group, to find out whether it was asked again."""

    def __init__(self, data: Dataset, server: FakeServer) -> None:
        self.data, self.server = data, server
        setting = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": MAX_NEW_TOKENS}
        policy = [server.model, fingerprint(POLICY), setting]
        found = run_ids(data)
        self.prompts = {group_id([prompt, *policy]): tuple(ids) for prompt, ids in found.items()}
        self.then: dict[int, int] = {}

    def note(self) -> None:
        """Remember how often each newly finished group was answered."""
        counts = self._counts()
        for each in finished(self.data) - self.then.keys():
            self.then[each] = counts[self.prompts[each]]

    def again(self) -> list[int]:
        """Return the groups that were answered after they were noted."""
        counts = self._counts()
        return [each for each, count in self.then.items() if counts[self.prompts[each]] != count]

    def _counts(self) -> dict[tuple[int, ...], int]:
        counts = dict.fromkeys(self.prompts.values(), 0)
        for (prompt, seed), count in list(self.server.answered.items()):
            if prompt in counts and seed > 2**32:  # those of the probe are small
                counts[prompt] += count
        return counts


def run_ids(data: Dataset) -> dict[str, list[int]]:
    from curate.models.encode import encode_prompt
    from curate.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(POLICY)
    found = data.scan("prompts").select("prompt_id", "prompt").collect()
    return {key: encode_prompt(tokenizer, text, "text", POLICY) for key, text in found.iter_rows()}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("loaded") as forks:
        yield forks


@pytest.mark.slow
def test_fifty_kills_lose_and_double_nothing(tmp_path: Path, forks: Forks) -> None:
    expected = unbroken(tmp_path / "unbroken")
    data, rng, errors = prompts(tmp_path / "data"), random.Random(7), tmp_path / "errors"
    n_finished = []
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.03) as server:
        line, asked = words(data, server, "--max-requests", FEW), Asked(data, server)
        for kill in range(N_KILLS):
            process = forks.start(*line, errors=errors)
            if kill % (N_KILLS // N_RESTARTS) == 5:
                reach(server, server.n_requests + 20)
                server.restart()
            if kill % 5:  # else while it starts
                reach(server, server.n_requests + rng.randint(1, 45))
            time.sleep(rng.uniform(0, 0.05 if kill % 5 else 0.5))
            assert process.poll() is None, errors.read_text()
            process.kill(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert unfinished_files(data) == []
            asked.note()
            n_finished.append(len(asked.then))
        assert 0 < n_finished[-1] < N
        assert find_problems(data) == []
        server.delay_s = 0.0
        process = forks.start(*line, errors=errors)
        assert process.wait() == 0, errors.read_text()
        assert asked.again() == []
    print("groups finished before each kill:", n_finished)
    assert check_rows(data).select(COLUMNS).equals(expected)
    assert not list((data.private / "journal").rglob("*.arrows"))
    assert not [path for path in (data.private / "tmp").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_kills_while_parts_are_written(tmp_path: Path, forks: Forks) -> None:
    expected = unbroken(tmp_path / "unbroken", 60, 2)
    data, rng, errors = prompts(tmp_path / "data", 60, 2), random.Random(3), tmp_path / "errors"
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.001) as server:
        line, asked = words(data, server), Asked(data, server)
        for _ in range(6):
            n_parts = len(data.parts(SAMPLES))
            process = forks.start(*line, errors=errors)
            while process.poll() is None and len(data.parts(SAMPLES)) == n_parts:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.02))
            if process.poll() is None:
                process.kill(signal.SIGKILL)
            process.wait()
            assert unfinished_files(data) == []
            asked.note()
        assert forks.start(*line, errors=errors).wait() == 0, errors.read_text()
        assert asked.again() == []
    assert check_rows(data).select(COLUMNS).equals(expected)


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_is_waited_for(tmp_path: Path, forks: Forks) -> None:
    expected = unbroken(tmp_path / "unbroken", 200)
    data, errors = prompts(tmp_path / "data", 200), tmp_path / "errors"
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.05) as server:
        line = words(data, server, "--max-requests", AT_ONCE)
        process = forks.start(*line, errors=errors)
        for n in (60, 120):
            reach(server, n)
            server.stop()
            time.sleep(1)
            server.start()
        assert process.wait() == 0, errors.read_text()
    assert "asked again" in errors.read_text()
    assert check_rows(data).select(COLUMNS).equals(expected)


@pytest.mark.slow
def test_a_server_that_stays_away_ends_the_run_and_another_goes_on(tmp_path: Path, forks: Forks) -> None:
    expected = unbroken(tmp_path / "unbroken", 200)
    data, errors = prompts(tmp_path / "data", 200), tmp_path / "errors"
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.05) as server:
        line = words(data, server, "--max-requests", AT_ONCE, "--patience-s", 1)
        process = forks.start(*line, errors=errors)
        reach(server, 60)
        server.stop()
        assert process.wait() == 1
        assert "no server has taken a request for" in errors.read_text()
        assert "run the same command again (what is finished is kept)" in errors.read_text()
    kept = finished(data)
    assert len(kept) >= 60 - 30 - AT_ONCE
    with FakeServer(vocabulary=VOCABULARY) as other:
        asked = Asked(data, other)
        asked.note()
        run(words(data, other))
        assert asked.again() == []
    assert check_rows(data).select(COLUMNS).equals(expected)


def reach(server: FakeServer, n_requests: int) -> None:
    until(lambda: server.n_requests >= n_requests)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_asked_and_says_how_to_go_on(number: int, tmp_path: Path) -> None:
    data = prompts(tmp_path / "data", 200)
    with FakeServer(vocabulary=VOCABULARY, delay_s=0.1) as server:
        line, asked = words(data, server, "--max-requests", AT_ONCE), Asked(data, server)
        command = [sys.executable, "-c", "from curate.cli import main; main()", *line]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until(lambda: len(finished(data)) > 10)
        started = time.monotonic()
        process.send_signal(number)
        said = process.communicate()[1]
        print(f"ended {time.monotonic() - started:.2f} s after the signal")
        assert process.returncode == 130, said
        assert "stopped: what was finished is kept; run the same command again" in said
        assert "sampled " in said
        asked.note()
        assert 10 < len(asked.then) < 200
        n_answered = sum(asked._counts().values())
        assert n_answered == len(asked.then) * GROUP_SIZE  # what was in flight is waited for and kept
        server.delay_s = 0.0
        run(line)
        assert asked.again() == []
        assert sum(asked._counts().values()) == 200 * GROUP_SIZE
    check_rows(data)
    assert len(rows(data)) == 200 * GROUP_SIZE


@pytest.mark.slow
def test_a_reply_that_never_comes_does_not_hold_up_ctrl_c(tmp_path: Path, forks: Forks) -> None:
    data, errors = prompts(tmp_path / "data", 100), tmp_path / "errors"
    with FakeServer(vocabulary=VOCABULARY, spared=40, faults={"stall": 0.2}) as server:
        process = forks.start(*words(data, server, "--max-requests", AT_ONCE), errors=errors)
        until(lambda: server.n_faults["stall"] >= AT_ONCE)
        process.kill(signal.SIGINT)
        threading.Event().wait(0.2)
        process.kill(signal.SIGINT)  # at once, please
        assert process.wait() == 130
        server.faults = {}
        n_kept = len(finished(data))
        assert n_kept > 0
        run(words(data, server))
    check_rows(data)
