"""`curate verify --self-test`: gold answers that fail are listed, and sampling leaves their prompts out."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.dataset import Dataset
from curate.errors import ConfigError
from curate.job import read_job, steps
from curate.verbs.self_test import failed_golds
from stored import PROMPTS, write_rows
from verify_case import run, write_judge

ANSWERS = ["18", "eighteen", "1/2", None, "7"]
REFERENCES = [None, None, "so it is 1/2", None, "seven"]


def prompts(root: Path, answers: list[str | None] = ANSWERS) -> Dataset:
    """Return a dataset of five prompts in two parts; what was there is replaced."""
    data = Dataset(root, create=True)
    rows = [
        {
            "prompt_id": f"p{n}",
            "prompt": f"say {n}",
            "prompt_format": "text",
            "source": "test",
            "answer": a,
            "reference": r,
        }
        for n, (a, r) in enumerate(zip(answers, REFERENCES, strict=True))
    ]
    write_rows(data, PROMPTS, "part-00000.parquet", rows[:3])
    write_rows(data, PROMPTS, "part-00001.parquet", rows[3:])
    return data


def test_golds_that_fail_are_listed_with_the_reason_and_kept(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    said = run("verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 0.5).stderr
    assert "self-test gsm8k: of 5 gold answers 3 correct, 1 error; no gold known for 1" in said
    assert "`curate sample` leaves out 1 prompt(s) whose gold fails:\n  p1: error: answer is not a number\n" in said
    table = pq.read_table(data.private / "self-test" / "gsm8k.parquet")
    assert table["outcome"].to_pylist() == ["correct", "error", "correct", None, "correct"]
    assert failed_golds(data) == {"p1": "error: answer is not a number"}
    assert data.variants("verdicts") == []


def test_more_failures_than_are_allowed_end_with_1(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    said = run("verify", data.root, "--verifier", "gsm8k", "--self-test", code=1).stderr
    assert "25.0% of the gold answers fail, more than --max-failed-share 0.01" in said
    assert failed_golds(data) == {"p1": "error: answer is not a number"}


def test_a_verifier_in_worker_processes_is_tested_too(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data", ["sleep 0.01 18", "hang", "x", None, "7"])
    settings = ["--set", f"entry_point={write_judge(tmp_path)}", "--timeout", 0.5, "--max-failed-share", 1]
    run("verify", data.root, "--verifier", "python", "--self-test", *settings)
    assert failed_golds(data) == {
        "p0": "incorrect",
        "p1": "timeout: no verdict within 0.5 s",
    }


def test_it_is_not_made_again_for_the_same_prompts_and_settings(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    line = ["verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 1]
    first = run(*line).stderr
    path = data.private / "self-test" / "gsm8k.parquet"
    written = path.stat().st_mtime_ns
    assert run(*line).stderr == first
    assert path.stat().st_mtime_ns == written


def test_other_prompts_make_it_stale(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    run("verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 1)
    prompts(tmp_path / "data", ["19", *ANSWERS[1:]])
    said = run("sample", data.root, "--reference", code=2).stderr
    assert f"run `curate verify {data.root} --verifier gsm8k --self-test`" in " ".join(said.split())
    run("verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 1)
    run("sample", data.root, "--reference")


def test_sampling_leaves_failed_prompts_out_and_counts_them(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data", ["18", "eighteen", "half", None, "7"])
    run("verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 1)
    said = run("sample", data.root, "--reference").stderr
    assert "4 dropped (gold_failed 2, no_reference 2)" in said
    assert data.scan("samples").collect()["prompt_id"].to_list() == ["p4"]


def test_what_another_self_test_leaves_out_is_told(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    run("verify", data.root, "--verifier", "gsm8k", "--self-test", "--max-failed-share", 1)
    said = run("verify", data.root, "--verifier", "exact", "--self-test").stderr
    path = data.private / "self-test" / "gsm8k.parquet"
    assert f"self-test gsm8k leaves out 1 prompt(s) too: delete {path} to do without it" in " ".join(said.split())
    path.unlink()
    assert "too: delete" not in run("verify", data.root, "--verifier", "exact", "--self-test").stderr
    assert failed_golds(data) == {}


def test_a_truncated_part_of_the_prompts_is_named(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    part = data.part(PROMPTS, "part-00001.parquet")
    part.write_bytes(part.read_bytes()[:200])
    said = run("verify", data.root, "--verifier", "gsm8k", "--self-test", code=1).stderr
    assert "part-00001.parquet cannot be read as a whole Parquet file" in " ".join(said.split())
    assert not (data.private / "self-test" / "gsm8k.parquet").exists()


def test_a_broken_file_is_said_to_be_none(tmp_path: Path) -> None:
    data = prompts(tmp_path / "data")
    path = data.private / "self-test" / "gsm8k.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"gsm8k.parquet is no self-test .* delete it"):
        failed_golds(data)


def test_a_job_runs_it_before_sampling(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        f'[dataset]\npath = "{tmp_path}/data"\n[prompts]\nsource = "countdown"\nn = 4\n[sample]\nreference = true\n'
        '[verify.countdown]\nverifier = "countdown"\n[verify.gold]\nverifier = "countdown"\nself_test = true\n'
    )
    assert [step.title for step in steps(path, read_job(path, []))] == [
        "prompts",
        "verify.gold",
        "sample",
        "verify.countdown",
    ]
    said = run("run", path).stderr
    assert "self-test gold: of 4 gold answers 4 correct; no gold known for 0" in said
