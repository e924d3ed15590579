"""``curate prompts``: what it writes again, what it refuses, and the dataset of prompts alone that it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.contracts import contract
from curate.dataset import Dataset
from curate.parts import Footer, read_part, write_part
from curate.states import missing_parts, unfinished_import
from curate.tasks.countdown import parse
from curate.tasks.solve import reference
from curate.verbs.check import find_problems
from stored import PROMPTS, countdown_prompts, small_dataset

NAMES = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


def invoke(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def curate(*arguments: object, code: int = 0) -> str:
    return str(invoke(*arguments, code=code).stderr)


def write_source(path: Path, n: int = 5) -> Path:
    path.write_text("".join(json.dumps({"question": f"q{i}", "answer": str(i)}) + "\n" for i in range(n)))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "questions.jsonl")


@pytest.fixture
def data(tmp_path: Path, source: Path) -> Dataset:
    """Five prompts in three parts."""
    bring(source, tmp_path / "data")
    return Dataset(tmp_path / "data")


def bring(source: object, folder: Path, *options: object, code: int = 0) -> str:
    return curate("prompts", source, "--to", folder, "--prompts-per-part", 2, *options, code=code)


def content(data: Dataset) -> list[bytes]:
    return [data.part(PROMPTS, name).read_bytes() for name in data.parts(PROMPTS)]


def fill_ids(data: Dataset) -> None:
    """Rewrite every part with prompt_ids, as sampling does."""
    rules = contract("prompts")
    for name in data.parts(PROMPTS):
        rows = read_part(data.part(PROMPTS, name), rules)
        columns = {c: rows[c] for c in rows.column_names} | {"prompt_ids": [[1, 2]] * rows.num_rows}
        write_part(data.part(PROMPTS, name), rules.rows(columns), rules, Footer(rules.hash, "", {}, {}), data.private)


def test_countdown_prompts_carry_problem_reference_and_origin(tmp_path: Path) -> None:
    said = curate("prompts", "countdown", "--to", tmp_path / "d", "--n", 20, "--split", "heldout", "--highest", 9)
    assert "task countdown: 20 heldout problems with 3 numbers of 1..9, seed 0" in said
    rows = Dataset(tmp_path / "d").scan("prompts").collect().to_dicts()
    assert len(rows) == 20
    for row in rows:
        problem = parse(row["answer"])
        assert problem is not None
        assert (row["prompt"], row["reference"]) == (problem.prompt, reference(problem))
        assert (row["source"], row["domain"], row["prompt_format"]) == ("countdown", "countdown-3", "text")
        assert row["prompt_ids"] is row["source_file"] is row["source_row"] is None
    twice = countdown_prompts(tmp_path / "e", 4).scan("prompts").collect()
    assert twice.height == 4


def test_prompts_of_a_reasoning_gym_task_carry_their_entry(tmp_path: Path) -> None:
    arguments = ["reasoning_gym:leg_counting", "--to", tmp_path / "d", "--n", 5, "--seed", 2]
    assert "task reasoning_gym:leg_counting: 5 train problems, seed 2" in curate("prompts", *arguments)
    rows = Dataset(tmp_path / "d").scan("prompts").collect().to_dicts()
    assert len(rows) == 5
    for row in rows:
        entry = json.loads(row["answer"])["entry"]
        assert (row["prompt"], row["reference"]) == (entry["question"], entry["answer"])
        assert (row["source"], row["domain"]) == ("reasoning_gym:leg_counting", "leg_counting")
    assert "nothing to do" in curate("prompts", *arguments)
    assert "seed: 2 then, 3 now" in curate("prompts", *arguments[:-1], 3, code=2)


def test_a_second_run_has_nothing_to_do_also_after_the_ids_were_filled(data: Dataset, source: Path) -> None:
    assert data.parts(PROMPTS) == NAMES
    assert bring(source, data.root) == "prompts: nothing to do, 3 part(s) are there\n"
    fill_ids(data)
    before = content(data)
    assert bring(source, data.root) == "prompts: nothing to do, 3 part(s) are there\n"
    assert content(data) == before
    source.unlink()
    assert "nothing to do" in bring(source, data.root)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--n", 3], "n: not set then, 3 now"),
        (["--answer-column", ""], 'columns.answer: "answer" then, not set now'),
        (["--prompts-per-part", 3], "prompts_per_part: 2 then, 3 now"),
    ],
)
def test_other_arguments_are_refused_with_the_difference(
    data: Dataset, source: Path, options: list[object], difference: str
) -> None:
    before = content(data)
    assert difference in bring(source, data.root, *options, code=2)
    assert content(data) == before
    bring(source, data.root, *options, "--overwrite")
    assert len(list((data.private / "replaced").glob("*-prompts/parts/*.parquet"))) == 3
    assert find_problems(data) == []


def test_a_changed_source_is_refused(data: Dataset, source: Path) -> None:
    write_source(source, 6)
    assert "source.questions.jsonl: " in bring(source, data.root, code=2)


def test_a_deleted_or_broken_part_comes_back(data: Dataset, source: Path) -> None:
    before = content(data)
    data.part(PROMPTS, NAMES[1]).unlink()
    assert missing_parts(data) == ["prompts/part-00001.parquet"]
    shown = curate("status", data.root)
    assert "prompts/part-00001.parquet was imported and is missing: run `curate prompts" in shown
    assert "1 part(s) made (2 were done)" in bring(source, data.root)
    data.part(PROMPTS, NAMES[0]).write_bytes(before[0][:-9])
    assert "is no whole Parquet file: deleted, to be made again" in bring(source, data.root)
    assert content(data) == before


KILLED = """
import os, signal, sys
from curate import parts
from pathlib import Path
rename, left = Path.rename, [int(sys.argv[1])]

def dying(self, target):
    if "prompts" in str(target) and str(target).endswith(".parquet"):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.rename = dying
sys.argv = ["curate", *sys.argv[2:]]
from curate.cli import main
main()
"""


@pytest.mark.parametrize("n_written", [0, 2])
def test_a_killed_run_is_mended_by_the_same_command(
    tmp_path: Path, data: Dataset, source: Path, n_written: int
) -> None:
    folder = tmp_path / "killed"
    arguments = ["prompts", str(source), "--to", str(folder), "--prompts-per-part", "2"]
    done = subprocess.run([sys.executable, "-c", KILLED, str(n_written), *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    killed = Dataset(folder) if n_written else Dataset(folder, create=True)
    assert killed.parts(PROMPTS) == NAMES[:n_written]
    assert "curate prompts" in (unfinished_import(killed) or "")
    bring(source, folder)
    assert content(killed) == content(data)
    assert unfinished_import(killed) is None
    assert not list((killed.private / "tmp").rglob("*.*"))


def test_rejects_are_kept_and_too_many_write_nothing(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{i}" if i else 7}) + "\n" for i in range(100)))
    said = curate("prompts", path, "--to", tmp_path / "d")
    assert "rejected q.jsonl:1: prompt is a number, not text" in said
    assert "100 rows in, 99 out, 0 dropped, 1 rejected" in said
    kept = (tmp_path / "d" / ".curate" / "rejects" / "prompts.jsonl").read_text()
    assert json.loads(kept)["reason"] == "prompt is a number, not text"
    said = curate("prompts", path, "--to", tmp_path / "e", "--max-bad-share", 0.005, code=1)
    assert "1 of 100 rows (1.0%) could not be read" in said
    assert not (tmp_path / "e" / "prompts").exists()


def test_an_overwrite_that_fails_leaves_the_old_prompts(data: Dataset, tmp_path: Path) -> None:
    before = content(data)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"question": 7}\n')
    bring(bad, data.root, "--overwrite", code=1)
    assert content(data) == before
    assert not (data.private / "replaced").exists()


def test_prompts_of_an_import_are_not_replaced(tmp_path: Path) -> None:
    rollouts = tmp_path / "r.jsonl"
    rollouts.write_text(json.dumps({"prompt": "q", "completion": "a", "reward": 1}) + "\n")
    curate("import", rollouts, "--to", tmp_path / "d")
    for options in ([], ["--overwrite"]):
        said = curate("prompts", "countdown", "--n", 3, "--to", tmp_path / "d", *options, code=2)
        assert "came with `curate import" in said
    hand_made = small_dataset(tmp_path / "hand")
    assert "no job record" in curate("prompts", "countdown", "--n", 3, "--to", hand_made.root, code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["countdown"], "give --n, such as --n 256"),
        (["countdown", "--n", "3", "--split", "test"], "--split train or heldout"),
        (["countdown", "--n", "3", "--numbers", "5"], "--numbers 3 or 4"),
        (["countdown", "--n", "3", "--answer-column", "a"], "--answer-column belongs to files"),
        (["countdown", "--n", "999999"], "only 3498 train countdown problems"),
        (["q.jsonl", "--numbers", "3"], "--numbers belongs to the task countdown"),
        (["reasoning_gym:maze"], "the task reasoning_gym:maze makes as many prompts as you ask for: give --n"),
        (["reasoning_gym:maze", "--n", "3", "--numbers", "3"], "--numbers belongs to the task countdown"),
        (["reasoning_gym:maze", "--n", "3", "--split", "test"], "--split train or heldout"),
        (["reasoning_gym:maz", "--n", "3"], "did you mean 'maze'?"),
        (["gone.jsonl"], "gone.jsonl is neither a file nor a folder nor a task"),
        (["countdwn", "--n", "3"], "did you mean 'countdown'?"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in curate("prompts", *arguments, "--to", tmp_path / "d", code=2)
    assert not (tmp_path / "d" / "prompts").exists()


def test_a_job_checks_the_section_before_anything_runs(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(f'[dataset]\npath = "{tmp_path}/d"\n[prompts]\nsource = "countdown"\n')
    assert "[prompts]: the task countdown" in curate("run", job, code=2)
    curate("run", job, "--set", "prompts.n=4")
    assert Dataset(tmp_path / "d").scan("prompts").collect().height == 4


def test_every_reading_verb_works_on_prompts_alone(data: Dataset) -> None:
    assert "keep every rule" in curate("check", data.root)
    assert json.loads(invoke("status", data.root, "--json").stdout) == [
        {
            "table": "prompts",
            "done": 3,
            "pending": 0,
            "waiting": 0,
            "stale": 0,
            "rows": 5,
            "changed": [],
            "command": f"curate prompts {data.root.parent}/questions.jsonl --to {data.root} --prompts-per-part 2",
        }
    ]
    assert invoke("sql", data.root, "SELECT count(*) AS n FROM prompts", "--json").stdout == '{"n":5}\n'
    prompt_id = data.scan("prompts").collect()["prompt_id"][3]
    shown = invoke("show", data.root, prompt_id)
    assert "q3" in shown.stdout
    assert "answer: 3" in shown.stdout
    assert "no samples yet" in shown.stderr
    assert json.loads(invoke("show", data.root, prompt_id, "--json").stdout)["prompt"]["prompt"] == "q3"
    assert "no prompt 'nope': list some with `curate sql" in curate("show", data.root, "nope", code=2)
    for verb in (["verify", "--verifier", "exact"], ["judge", "--rule", "canonical"], ["logprob", "--from-sampler"]):
        said = curate(verb[0], data.root, *verb[1:], code=2)
        assert "has no samples: run `curate sample" in said
    assert "has no" in curate("compare", data.root, code=2)
