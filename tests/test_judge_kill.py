"""kill -9, Ctrl-C and faults while a served judge works: nothing is lost, and what counted is not asked for again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.serving import client
from curate.verbs.check import find_problems
from fake_server import FakeServer
from judge_case import FIRST_WRONG, WRONG, feedback, good_judge, wrong_groups

N_GROUPS = 60
COLUMNS = ("group_id", "sample_index", "first_error_step", "n_steps", "error")
AT_ONCE = 8


def start(data: Dataset, server: FakeServer) -> subprocess.Popen[bytes]:
    options = ["--server", server.url, "--model", "fake", "--split", "countdown", "--max-requests", str(AT_ONCE)]
    command = [sys.executable, "-c", "from curate.cli import main; main()", "judge", str(data.root), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def reach(server: FakeServer, n_requests: int, process: subprocess.Popen[bytes]) -> None:
    while server.n_requests < n_requests:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.002)


def finish(data: Dataset, server: FakeServer) -> None:
    process = start(data, server)
    errors = process.communicate()[1].decode()
    assert process.returncode == 0, errors


def dataset(root: Path) -> Dataset:
    return wrong_groups(root, [[text, WRONG[0]] for text in WRONG] * (N_GROUPS // len(WRONG)), parts=3)


def check(data: Dataset) -> None:
    expected = [step for _ in range(N_GROUPS // len(WRONG)) for text in WRONG for step in (FIRST_WRONG[text], 1)]
    assert feedback(data, "fake", "first_error_step") == expected
    assert feedback(data, "fake", "group_id", "sample_index") == [(g, i) for g in range(N_GROUPS) for i in range(2)]
    assert set(feedback(data, "fake", "error")) == {None}
    assert find_problems(data) == []
    assert not list((data.root / ".curate/journal").rglob("*.arrows"))


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(4))
def test_a_killed_run_goes_on_where_it_was(kill: int, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    with FakeServer(chat=good_judge, max_model_len=8192, delay_s=0.02) as server:
        for _ in range(2):
            process = start(data, server)
            reach(server, server.n_requests + random.Random(kill).randrange(2, 40), process)
            process.kill()
            process.communicate()
        finish(data, server)
    check(data)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    with FakeServer(chat=good_judge, max_model_len=8192, delay_s=0.02) as server:
        process = start(data, server)
        reach(server, 40, process)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1].decode()
        assert process.returncode == 130, said
        assert "run the same command again" in said
        n_asked = server.n_requests
        finish(data, server)
        # the probe twice; each distinct completion of a group once, for what was in flight is waited for
        n_distinct = N_GROUPS * 2 - N_GROUPS // len(WRONG)
        assert n_asked < server.n_requests == n_distinct + 2
    check(data)


@pytest.mark.slow
def test_faults_of_the_server_lose_and_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "JITTER_S", 0.01)
    data = dataset(tmp_path)
    faults = {"429": 0.1, "500": 0.05, "503": 0.05, "reset": 0.05, "truncated": 0.05, "cut_off": 0.05, "not_json": 0.05}
    options = ("--server", "--model", "fake", "--split", "countdown", "--max-requests", AT_ONCE)
    with FakeServer(chat=good_judge, max_model_len=8192, faults=faults, spared=1) as server:
        words = ["judge", tmp_path, options[0], server.url, *options[1:], "--max-failed-share", 0]
        result = CliRunner().invoke(app, [str(word) for word in words])
        while result.exit_code != 0:  # what failed five times is asked for again
            assert "asks only for the rest" in result.stderr, result.output
            result = CliRunner().invoke(app, [str(word) for word in words])
        assert server.n_faults.total() > 20
    check(data)
