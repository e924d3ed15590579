"""kill -9 during training, and the same command again: the same losses and weights as an unbroken run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from train_case import write_groups, write_policy

COMMAND = [sys.executable, "-c", "from curate.cli import main; main()", "train", "data", "--model", "policy", "--out"]
OPTIONS = [
    "--batch-size",
    "8",
    "--learning-rate",
    "1e-3",
    "--max-drift",
    "0",
    "--epochs",
    "12",
    "--save-every",
    "3",
    "--behaviour",
    "decoupled",
]
N_STEPS = 12 * 4
MEASURED = {"seconds"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    write_groups(folder / "data", write_policy(folder / "policy"))
    assert finish(start(folder, "unbroken")) == ""
    return folder


def start(folder: Path, out: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [*COMMAND, out, *OPTIONS],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end and return stdout, which holds nothing."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def n_logged(folder: Path, out: str) -> int:
    path = folder / f".{out}.unfinished" / "train_log.jsonl"
    return path.read_text().count('"loss"') if path.exists() else 0


def lines(folder: Path, out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / out / "train_log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [[4, 11, 12], [1, 25]], ids=str)
def test_a_killed_training_goes_on_as_if_unbroken(folder: Path, kills: list[int]) -> None:
    out = f"killed {kills}"
    for n_steps in kills:
        process = start(folder, out)
        while n_logged(folder, out) < n_steps:
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (folder / out).exists()
    process = start(folder, out)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert ("going on from checkpoint" in errors) == (kills[-1] >= 4)
    before, after = lines(folder, "unbroken"), lines(folder, out)
    assert sum("loss" in line for line in after) == N_STEPS
    for one, other in zip(before, after, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - MEASURED:
            assert other[name] == pytest.approx(one[name], abs=1e-6), f"step {one['step']}: {name}"
    assert (folder / out / "model.safetensors").read_bytes() == (folder / "unbroken" / "model.safetensors").read_bytes()
    facts = [json.loads((folder / name / "manifest.json").read_text()) for name in ("unbroken", out)]
    for name in ("trained_tokens", "steps", "start", "end", "result", "stopped"):
        assert facts[0][name] == facts[1][name]
    assert not (folder / f".{out}.unfinished").exists()


@pytest.mark.slow
def test_half_written_checkpoints_are_ignored_and_other_arguments_refused(folder: Path) -> None:
    out = "torn"
    process = start(folder, out)
    while n_logged(folder, out) < 7:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    torn = folder / f".{out}.unfinished" / "unfinished" / "checkpoint-9"
    torn.mkdir(parents=True, exist_ok=True)
    (torn / "weights.safetensors").write_bytes(b"half")
    with (torn.parents[1] / "train_log.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')
    changed = subprocess.run([*COMMAND, out, *OPTIONS, "--seed", "3"], cwd=folder, capture_output=True, text=True)
    assert changed.returncode == 2
    assert f"training on the way to {out} was started with other arguments" in changed.stderr
    assert "seed: 0 then, 3 now" in changed.stderr
    finish(start(folder, out))
    for one, other in zip(lines(folder, "unbroken"), lines(folder, out), strict=True):
        assert other.get("loss") == pytest.approx(one.get("loss"), abs=1e-6)
