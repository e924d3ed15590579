"""``curate judge --rule canonical``: the strategies of the correct completions of a group, and their diversity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.verbs.check import find_problems
from stored import PROMPTS, SAMPLES, write_rows

PROBLEM = "2 3 4:24"
SAME = ["2*3=6;4*6=24", "3*2=6;6*4=24"]  # commutativity alone
OTHER = "3*4=12;2*12=24"
WRONG, GARBLED = "2+3=5;5*4=20", "no idea"


def curate(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def dataset(root: Path, groups: list[list[str | None]], prompt: str = f"{PROBLEM}>", answer: str = PROBLEM) -> Dataset:
    """Return verified groups of completions of one prompt."""
    data = Dataset(root, create=True)
    known = {"prompt_id": "p", "prompt": prompt, "prompt_format": "text", "answer": answer, "source": "test"}
    write_rows(data, PROMPTS, "part-00000.parquet", [known])
    common = {"prompt_id": "p", "token_exact": False, "hinted": False}
    samples = [
        {"group_id": g, "sample_index": i, "completion": text, **common, "completion_ids": [1]}
        for g, completions in enumerate(groups)
        for i, text in enumerate(completions)
    ]
    write_rows(data, SAMPLES, "part-00000.parquet", samples)
    return data


def feedback(data: Dataset) -> list[dict[str, Any]]:
    columns = ["cluster", "diversity", "error", "n_steps", "first_error_step", "rts"]
    return data.scan("feedback", "canonical").select(columns).collect().to_dicts()


def test_correct_samples_get_a_cluster_and_the_share_outside_it_others_a_reason(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[SAME[0], WRONG, OTHER, SAME[1], GARBLED], [WRONG, GARBLED], [OTHER]])
    curate("verify", tmp_path, "--verifier", "countdown")
    said = curate("judge", tmp_path, "--rule", "canonical")
    assert "8 rows in, 8 out, 4 dropped (not correct 4)" in said
    rows = feedback(data)
    assert [row["cluster"] for row in rows] == [0, None, 1, 0, None, None, None, 0]
    assert [row["diversity"] for row in rows] == [0.6, None, 0.8, 0.6, None, None, None, 0.0]
    assert [row["error"] for row in rows] == [None if row["cluster"] is not None else "not correct" for row in rows]
    assert all(row["n_steps"] is row["first_error_step"] is row["rts"] is None for row in rows)
    assert find_problems(data) == []
    assert "nothing to do" in curate("judge", tmp_path, "--rule", "canonical", "--scope", "all")
    shown = CliRunner().invoke(app, ["show", str(tmp_path), "0"]).stdout
    assert "feedback/judge=canonical: 1.89 strategies in effect" in shown  # exp(-(2/3 ln 2/3 + 1/3 ln 1/3))
    assert "0.6" in shown


def test_steps_and_strategies_stand_side_by_side(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[SAME[0], WRONG], [WRONG, WRONG]])
    curate("verify", tmp_path, "--verifier", "countdown")
    curate("judge", tmp_path, "--rule", "canonical")
    curate("judge", tmp_path, "--rule", "countdown")
    assert data.variants("feedback") == ["canonical", "countdown"]
    assert "choose one with --judge NAME" in curate("reweight", tmp_path, "--recipe", "spectral_grpo", code=2)
    curate("reweight", tmp_path, "--recipe", "spectral_grpo", "--judge", "countdown")


def test_the_verdict_says_what_is_correct_and_the_prompt_may_state_the_problem(tmp_path: Path) -> None:
    data = dataset(tmp_path, [[OTHER, SAME[0], None, OTHER]], answer=OTHER)
    curate("verify", tmp_path, "--verifier", "exact", "--max-failed-share", 0.5)
    curate("judge", tmp_path, "--rule", "canonical")
    rows = feedback(data)
    assert [row["diversity"] for row in rows] == [0.5, None, None, 0.5]
    assert [row["error"] for row in rows] == [None, "not correct", "not verified", None]


def test_correct_answers_of_another_task_have_no_strategy(tmp_path: Path) -> None:
    data = dataset(tmp_path, [["yes", "no"]], prompt="is it?", answer="yes")
    curate("verify", tmp_path, "--verifier", "exact")
    curate("judge", tmp_path, "--rule", "canonical")
    assert [row["error"] for row in feedback(data)] == ["no solution of a countdown problem", "not correct"]


def test_strategies_of_all_wrong_groups_are_refused(tmp_path: Path) -> None:
    dataset(tmp_path, [[WRONG, WRONG]])
    curate("verify", tmp_path, "--verifier", "countdown")
    said = curate("judge", tmp_path, "--rule", "canonical", "--scope", "all_wrong", code=2)
    assert "leave --scope away" in said
    assert not (tmp_path / "feedback").exists()


@pytest.mark.parametrize(
    ("section", "problem"), [('rule = "canonical"\nscope = "all_wrong"', "--scope"), ('rule = "canon"', "canonical")]
)
def test_a_job_refuses_it_before_anything_runs(tmp_path: Path, section: str, problem: str) -> None:
    job = tmp_path / "job.toml"
    job.write_text(f'[dataset]\npath = "{tmp_path}/data"\n[judge]\n{section}\n')
    said = curate("run", job, code=2)
    assert "[judge]" in said
    assert problem in said
