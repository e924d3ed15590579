"""jobs/gsm8k-policy.toml on the real file, with a policy trained for seconds: the plumbing, not the policy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import curate

ROOT = Path(__file__).parents[1]
DATA = os.environ.get("CURATE_TEST_DATA")
CORE = ["dr_grpo", "grpo", "rloo", "spectral_grpo", "unlikely_grpo", "unlikely_spectral"]


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="CURATE_TEST_DATA is not set: the folder with gsm8k/example_model_solutions.jsonl")
def test_groups_of_one_policy_go_through_every_core_recipe(tmp_path: Path) -> None:
    source = Path(str(DATA)) / "gsm8k" / "example_model_solutions.jsonl"
    settings = {
        "prompts.solutions.source": source,
        "prompts.solutions.n": 64,
        "prompts.rollouts.source": source,
        "prompts.rollouts.n": 8,
        "sample.rollouts.group_size": 4,
        "sample.rollouts.max_new_tokens": 24,
        "train.max_tokens": 8000,
    }
    command = [sys.executable, "-c", "from curate.cli import main; main()", "run", str(ROOT / "jobs/gsm8k-policy.toml")]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    solutions = curate.Dataset(tmp_path / "runs/gsm8k-policy/solutions")
    assert solutions.sql("SELECT DISTINCT outcome FROM verdicts").fetchall() == [("correct",)]
    rollouts = curate.Dataset(tmp_path / "runs/gsm8k-policy/rollouts")
    assert rollouts.variants("advantages") == CORE
    assert rollouts.sql("SELECT recipe, count(*) FROM advantages GROUP BY recipe ORDER BY recipe").fetchall() == [
        (name, 32) for name in CORE
    ]
    assert rollouts.sql("SELECT count(DISTINCT policy_version), bool_and(token_exact) FROM samples").fetchall() == [
        (1, True)
    ]
