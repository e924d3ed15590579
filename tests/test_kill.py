"""kill -9 at random instants, and a re-run: the same rows as an unbroken run, and never half a part in a table."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from curate.contracts import contract
from curate.dataset import Dataset
from curate.errors import ContractError
from curate.verbs.check import find_problems

N_KILLS = 20
N_GROUPS, GROUP_SIZE, ROWS_PER_PART = 300, 8, 300

JOB = """
[dataset]
path = "dataset"
[import]
path = "rollouts.jsonl"
rows_per_part = {rows_per_part}
[verify]
verifier = "gsm8k"
[logprob]
from_sampler = true
[judge]
rule = "arithmetic"
[reweight]
recipe = "unlikely_spectral"
beta_rank = 0.25
[export.train]
out = "dataset/train.parquet"
[export.kto]
format = "kto"
out = "dataset/kto.parquet"
"""
EXPORTS = ("train", "kto")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job and seeded rollouts whose groups fall into every class."""
    folder = tmp_path_factory.mktemp("source")
    rng = random.Random(3)
    with (folder / "rollouts.jsonl").open("w") as file:
        for group in range(N_GROUPS):
            skill = rng.choice([0.0, 0.0, 0.3, 0.7, 1.0])
            for index in range(GROUP_SIZE):
                slips = [rng.random() < 0.3 for _ in range(3)]
                steps = [
                    f"{n} + {group} = <<{n}+{group}={n + group + slip}>>{n + group + slip}"
                    for n, slip in enumerate(slips)
                ]
                answer = group if rng.random() < skill else group + 1
                text = "\n".join([*steps, f"A: {answer}"])
                ids = [ord(c) for c in text]
                row = {
                    "prompt_id": f"p{group}",
                    "prompt": f"question {group}",
                    "prompt_ids": [group, 1],
                    "answer": str(group),
                    "group": group,
                    "sample_index": index,
                    "completion": text,
                    "completion_ids": ids,
                    "logprobs": [-rng.random() for _ in ids],
                    "policy": "one",
                }
                file.write(json.dumps(row) + "\n")
    (folder / "job.toml").write_text(JOB.format(rows_per_part=ROWS_PER_PART))
    return folder


def start(source: Path, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    for name in ("rollouts.jsonl", "job.toml"):
        if not (folder / name).exists():
            (folder / name).symlink_to(source / name)
    command = [sys.executable, "-c", "from curate.cli import main; main()", "run", "job.toml"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def rows(folder: Path) -> dict[str, pl.DataFrame]:
    """Return every table's rows in the order of their key, without measured columns."""
    data = Dataset(folder / "dataset")
    found = {}
    for ref in data.refs():
        rules = contract(ref.table)
        kept = [c.name for c in rules.columns if not c.is_measured]
        found[str(ref)] = data.scan(ref.table, ref.variant).select(kept).sort(rules.key).collect()
    return found | {name: pl.read_parquet(folder / "dataset" / f"{name}.parquet") for name in EXPORTS}


def unfinished_files(folder: Path) -> list[str]:
    """Return the files in table folders that are no finished part."""
    bad = []
    for path in (folder / "dataset").glob("[a-z]*/**/*"):
        if path.is_dir():
            continue
        try:
            whole = path.suffix == ".parquet" and pq.read_metadata(path).metadata.get(b"curate") is not None
        except (OSError, ContractError, ValueError):
            whole = False
        if not whole:
            bad.append(str(path))
    return bad


@pytest.fixture(scope="module")
def unbroken(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("unbroken")
    finish(start(source, folder))
    data = Dataset(folder / "dataset")
    assert len(data.parts(data.choose("samples"))) >= 7
    return rows(folder)


def n_files(folder: Path) -> int:
    return sum(1 for _ in (folder / "dataset").glob("[a-z]*/**/*.parquet"))


def kill_after(process: subprocess.Popen[bytes], folder: Path, n_parts: int, delay_s: float) -> None:
    """Kill -9 a moment after the run has finished ``n_parts`` parts, and watch the table folders until then."""
    while n_files(folder) < n_parts:
        assert process.poll() is None
        assert unfinished_files(folder) == []
        time.sleep(0.002)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("kill", range(N_KILLS))
def test_a_killed_run_goes_on_to_the_same_rows(
    kill: int, source: Path, tmp_path: Path, unbroken: dict[str, pl.DataFrame]
) -> None:
    rng, folder = random.Random(kill), tmp_path / "run"
    n_all = sum(1 for table in unbroken if table not in EXPORTS) * 8
    kill_after(start(source, folder), folder, rng.randrange(n_all - 6), rng.uniform(0, 0.05))
    assert unfinished_files(folder) == []
    if any((folder / "dataset").glob("[a-z]*")):
        assert find_problems(Dataset(folder / "dataset")) == []

    finish(start(source, folder))

    data = Dataset(folder / "dataset")
    assert find_problems(data) == []
    found = rows(folder)
    assert found.keys() == unbroken.keys()
    for table, frame in unbroken.items():
        assert found[table].equals(frame), table
    assert [p for p in (data.private / "tmp").rglob("*") if p.is_file()] == []
    assert list((data.private / "journal").rglob("*.arrows")) == []
