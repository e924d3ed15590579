"""A server that dies while it is being sampled from, and comes back: no sample is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.dataset import Dataset
from curate.verbs.check import find_problems
from served_case import KEY, curate, sample_line, sampled, samples
from stored import countdown_prompts
from vllm_server import VllmServer

N_PROMPTS = 96
OPTIONS = ("--group-size", 32, "--seed", 5, "--max-requests", 8)
WAITS_S = 120


@pytest.fixture
def server(raw_server: VllmServer) -> Iterator[VllmServer]:
    yield raw_server
    raw_server.start()


@pytest.fixture(scope="module")
def unbroken(raw_server: VllmServer, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return sampled(tmp_path_factory.mktemp("unbroken") / "data", raw_server, policy, N_PROMPTS, *OPTIONS)


def keys(data: Dataset) -> list[Any]:
    return samples(data).select(*KEY, "prompt_id", "seed").rows()


def started(line: list[object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from curate.cli import main; main()", *map(str, line)],
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_a_group(data: Dataset, run: subprocess.Popen[str]) -> None:
    """Wait until the journal holds finished groups, while the run goes on."""
    ends = time.monotonic() + WAITS_S
    journals = data.private / "journal" / "samples"
    while not any(path.stat().st_size > 50_000 for path in journals.glob("*.arrows")):
        assert run.poll() is None, run.stderr and run.stderr.read()
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_run_outlives_a_server_that_is_killed_and_started_again(
    server: VllmServer, policy: Path, unbroken: Dataset, tmp_path: Path
) -> None:
    data = countdown_prompts(tmp_path / "data", n=N_PROMPTS)
    run = started(sample_line(data, server, policy, *OPTIONS))
    wait_for_a_group(data, run)
    server.kill()
    assert run.poll() is None
    server.start()
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert keys(data) == keys(unbroken)
    assert find_problems(data) == []


def test_a_run_that_gives_up_says_how_to_go_on_and_the_next_one_completes_it(
    server: VllmServer, policy: Path, unbroken: Dataset, tmp_path: Path
) -> None:
    data = countdown_prompts(tmp_path / "data", n=N_PROMPTS)
    line = sample_line(data, server, policy, *OPTIONS)
    run = started([*line, "--patience-s", 3])
    wait_for_a_group(data, run)
    server.kill()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 1, said
    assert server.url in said
    assert "again" in said
    assert "Traceback" not in said
    server.start()
    curate(*line)
    assert keys(data) == keys(unbroken)
    assert find_problems(data) == []
