"""Sampling until mixed, branching and evaluating judge in worker processes as they do in their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import sample_served_case as served
from curate.dataset import Dataset
from curate.verbs.self_test import failed_golds
from curate.verifying.workers.processes import descendants
from fake_server import FakeServer
from stored import countdown_prompts
from verify_case import run

POLICY = "countdown-early"
JUDGE = """
from curate.tasks.verify import compare, extract

def judge(completion, answer):
    while completion == "hang":
        pass
    return compare(extract(completion), answer)

def parity(completion, answer):
    return {"reward": len(completion) % 2, "extracted": None}

def hang(completion, answer):
    while True:
        pass

def strict(completion, answer):
    return {"outcome": "error", "detail": "odd target"} if int(answer[-1]) % 2 else True
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judge") / "judge.py"
    path.write_text(JUDGE)
    return path


def pooled(path: Path, function: str = "judge") -> list[str]:
    return ["--verifier", "python", "--verifier-set", f"entry_point={path}:{function}"]


def samples(data: Dataset) -> pl.DataFrame:
    return data.scan("samples").sort("group_id", "sample_index").collect()


def sampled(root: Path, *options: object) -> Dataset:
    data = countdown_prompts(root, n=6, prompts_per_part=4)
    size = ("--group-size", 4, "--max-new-tokens", 40)
    run("sample", root, "--local", POLICY, *size, *options)
    return data


@pytest.mark.slow
def test_groups_are_drawn_until_mixed_by_worker_processes_too(tmp_path: Path, path: Path) -> None:
    until = ("--until", "mixed", "--max-samples", 12)
    one = sampled(tmp_path / "one", *until, "--verifier", "countdown")
    two = sampled(tmp_path / "two", *until, *pooled(path))
    assert samples(one).equals(samples(two))
    assert samples(one).height > 6 * 4


@pytest.mark.slow
def test_continuations_are_judged_by_what_made_the_verdicts(tmp_path: Path, path: Path) -> None:
    data = sampled(tmp_path / "data")
    run("verify", data.root, "--verifier", "countdown")
    run("verify", data.root, "--verifier", "python", "--set", f"entry_point={path}:judge", "--timeout", 30)
    verdicts = [data.scan("verdicts", name).select("outcome", "reward").collect() for name in ("countdown", "python")]
    assert verdicts[0].equals(verdicts[1])
    for name in ("countdown", "python"):
        line = ("--split", "countdown", "--scope", "all", "--n", 2)
        run("branch", data.root, "--local", POLICY, *line, "--verifier", name, "--as", name)
    found = [data.scan("branches", name).collect() for name in ("countdown", "python")]
    assert found[0].height > 24
    assert found[0].equals(found[1])


@pytest.mark.slow
def test_a_checkpoint_s_answers_are_judged_with_settings(tmp_path: Path, path: Path) -> None:
    data = countdown_prompts(tmp_path / "prompts", n=3)
    run("evaluate", "--model", POLICY, "--prompts", data.root, "--to", tmp_path / "to", "-k", 2, "-n", 4, *pooled(path))
    assert Dataset(tmp_path / "to").variants("verdicts") == ["python"]
    line = ("evaluate", data.root, "--verifier-set", "entry_point=x:y")
    assert "give that too" in run(*line, code=2).stderr


@pytest.mark.parametrize("kind", ["local", "server"])
def test_prompts_whose_gold_fails_are_not_sampled(tmp_path: Path, path: Path, kind: str) -> None:
    data = countdown_prompts(tmp_path / "data", n=12, prompts_per_part=5)
    settings = ("--set", f"entry_point={path}:strict", "--max-failed-share", 1)
    run("verify", data.root, "--verifier", "python", "--self-test", *settings)
    failed = failed_golds(data)
    assert 0 < len(failed) < 12
    if kind == "local":
        said = run("sample", data.root, "--local", POLICY, "--group-size", 2).stderr
    else:
        with FakeServer(vocabulary=served.VOCABULARY) as server:
            said = served.run(served.words(data, server)).stderr
            listed = (data.private / "rejects" / "samples").glob("*.jsonl")
            lines = [line for each in listed for line in each.read_text().splitlines()]
            assert len(lines) == len(failed)
            assert all('"reason":"gold_failed"' in line for line in lines)
    assert f"{len(failed)} dropped (gold_failed {len(failed)}), 0 rejected, 0 failed" in said
    asked = set(samples(data)["prompt_id"])
    assert asked == set(data.scan("prompts").collect()["prompt_id"]) - set(failed)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(vocabulary=served.VOCABULARY) as running:
        yield running


def test_served_groups_are_judged_without_holding_up_the_others(server: FakeServer, tmp_path: Path, path: Path) -> None:
    data = countdown_prompts(tmp_path / "data", n=6)
    until = ("--until", "mixed", "--max-samples", 12)
    said = served.run(served.words(data, server, *until, *pooled(path, "parity"))).stderr
    assert "mixed, at most 12" in said
    lengths = samples(data).group_by("group_id").agg(pl.col("completion").str.len_chars() % 2)
    assert all(len(set(parity)) == 2 or len(parity) == 12 for parity in lengths["completion"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "server"])
def test_ctrl_c_while_a_verifier_hangs_ends_soon_and_leaves_nothing(
    server: FakeServer, tmp_path: Path, path: Path, kind: str
) -> None:
    data = countdown_prompts(tmp_path / "data", n=6)
    options = ["--target-correct", "1", "--max-samples", "8", *pooled(path, "hang")]
    line = (
        served.words(data, server, *options)
        if kind == "server"
        else ["sample", str(data.root), "--local", POLICY, "--group-size", "2", *options]
    )
    line += ["--verifier-set", "seconds=600"]
    with subprocess.Popen([sys.executable, "-c", "from curate.cli import main; main()", *line]) as process:
        deadline = time.monotonic() + 120
        while len(descendants(process.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(2)
        running = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) != 0  # far less than the 600 s that the comparison may take
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
