"""`curate demo` from end to end, with fewer and smaller groups than the job file asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import curate

pytestmark = pytest.mark.slow

SMALLER = [
    "prompts.strong.n=16",
    "prompts.early.n=16",
    "prompts.heldout.n=8",
    "sample.strong.group_size=16",
    "train.strong-grpo.epochs=1",
    "train.strong-unlikely_grpo.epochs=1",
    "train.early-grpo.max_tokens=2000",
    "train.early-spectral_grpo.max_tokens=2000",
    *(
        f'evaluate.{name}.k="1,4"'
        for name in ("strong", "strong-grpo", "strong-unlikely_grpo", "early", "early-grpo", "early-spectral_grpo")
    ),
]


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from curate.cli import main; main()", "demo"]
    for setting in SMALLER:
        command += ["--set", setting]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"}, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    done = run_demo(folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "demo"


def test_the_two_recipes_of_the_strong_policy_train_the_same_rows_and_tokens(folder: Path) -> None:
    grpo, unlikely = (
        json.loads((folder / "policies" / f"strong-{name}" / "manifest.json").read_text())
        for name in ("grpo", "unlikely_grpo")
    )
    assert grpo["trained_tokens"] == unlikely["trained_tokens"] > 0


def test_spectral_grpo_trains_groups_without_a_success(folder: Path) -> None:
    kept = curate.Dataset(folder / "early").sql(
        "SELECT recipe, count(DISTINCT group_id) FILTER (advantage <> 0) AS n FROM advantages GROUP BY recipe"
    )
    n = dict(kept.fetchall())
    assert n["spectral_grpo"] > n["grpo"]


def test_every_trained_policy_has_its_uplift_and_its_held_out_samples(folder: Path) -> None:
    strong, early = curate.Dataset(folder / "strong"), curate.Dataset(folder / "early")
    assert strong.variants("likelihoods") == ["sampler", "strong-grpo", "strong-unlikely_grpo"]
    assert early.variants("likelihoods") == ["early-grpo", "early-spectral_grpo", "sampler"]
    for name in ("strong", "strong-grpo", "strong-unlikely_grpo", "early", "early-grpo", "early-spectral_grpo"):
        assert curate.Dataset(folder / f"heldout-{name}").scan("verdicts").collect().height == 8 * 8


def test_the_report_is_one_page(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "<svg" in page
    assert "unlikely_grpo" in page


def test_a_second_run_does_nothing_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    done = run_demo(folder.parents[1])
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before
