"""``curate verify --verifier code`` on a dataset of programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.errors import ConfigError
from curate.verifying import get
from stored import PROMPTS, SAMPLES, write_rows

ANSWERS = [
    {"stdin_tests": [{"input": "1 2", "output": "3"}, {"input": "-1 1", "output": "0"}]},
    {"test_list": ["assert double(2) == 4", "assert double('a') == 'aa'"]},
]
REFERENCES = ["print(sum(map(int, input().split())))", "def double(x): return x * 2"]
COMPLETIONS = [
    [REFERENCES[0], "print(3)", "while True: pass", None],
    [REFERENCES[1], "def double(x): return 4", "exit(0)", "1 / 0"],
]


@pytest.fixture
def programs(tmp_path: Path) -> Dataset:
    try:
        get("code")
    except ConfigError as error:
        pytest.skip(str(error))
    data = Dataset(tmp_path / "data", create=True)
    part = "part-00000.parquet"
    write_rows(data, PROMPTS, part, [prompt(number) for number in range(2)])
    rows = [sample(g, i, program) for g, programs in enumerate(COMPLETIONS) for i, program in enumerate(programs)]
    write_rows(data, SAMPLES, part, rows)
    return data


def prompt(number: int) -> dict[str, Any]:
    answer, reference = json.dumps(ANSWERS[number]), REFERENCES[number]
    known = {"prompt_id": f"p{number}", "prompt": "Write it.", "prompt_format": "text", "source": "t"}
    return {**known, "answer": answer, "reference": reference}


def sample(group: int, index: int, program: str | None) -> dict[str, Any]:
    completion = "```python\nprint(3" if program is None else f"Here:\n```python\n{program}\n```"
    keys = {"group_id": group, "sample_index": index, "prompt_id": f"p{group}"}
    return {**keys, "completion": completion, "token_exact": False, "hinted": False}


def verify(data: Dataset, *options: str) -> str:
    done = CliRunner().invoke(app, ["verify", str(data.root), "--verifier", "code", "--set", "time_limit=1", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_programs_are_judged_by_their_tests(programs: Dataset) -> None:
    verify(programs, "--set", "memory_mb=256", "--workers", "2")
    frame = programs.scan("verdicts", "code").collect()
    assert list(zip(frame["outcome"], frame["detail"], strict=True)) == [
        ("correct", None),
        ("incorrect", "test 2 of 2: wrong output"),
        ("incorrect", "time_limit"),
        ("unparsable", "no program"),
        ("correct", None),
        ("incorrect", "assert 2 of 2 failed"),
        ("incorrect", "tests not reached"),
        ("incorrect", "exit code 1: ZeroDivisionError"),
    ]
    assert frame["reward"].to_list() == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


def test_the_reference_solutions_pass_their_own_tests(programs: Dataset) -> None:
    assert "of 2 gold answers 2 correct" in verify(programs, "--self-test")
