"""What the tests of a served judge share: wrong groups of countdown, and judges that answer in defined ways."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.records import Step
from curate.tasks.judge import first_wrong_step
from stored import PROMPTS, SAMPLES, TableRef, write_rows

PROBLEM = "2 3 4:24"
RIGHT = "2*3=6;4*6=24"
FIRST_WRONG = {"2+3=5;5*4=20": 1, "2*3=6;4+6=10": 2, "2*3=6;4*6=25": 2, "2*3=7;4*7=28": 1, "2*3=6": None}
WRONG = list(FIRST_WRONG)
VERDICTS = TableRef("verdicts", "countdown")
STEPS = re.compile(r"<step (\d+) key=([0-9a-f]{8})>\n(.*?)\n</step \1 key=\2>", re.DOTALL)
_PROBLEM = re.compile(r"<problem key=([0-9a-f]{8})>\n(.*?)\n</problem key=\1>", re.DOTALL)


def curate(*arguments: object, code: int = 0) -> str:
    """Run a command, expect its exit code, and return what it said."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def wrong_groups(root: Path, groups: list[list[str]], parts: int = 1, **prompt: Any) -> Dataset:
    """Return a dataset of groups of completions of one countdown problem, verified; the groups are dealt out to parts."""
    data = Dataset(root, create=True)
    known = {"prompt_id": "p", "prompt": f"{PROBLEM}>", "prompt_format": "text", "answer": PROBLEM, "source": "test"}
    for part in range(parts):
        name = f"part-{part:05d}.parquet"
        write_rows(data, PROMPTS, name, [known | prompt] if part == 0 else [])
        common = {
            "prompt_id": "p",
            "token_exact": False,
            "hinted": False,
            "completion_ids": [1],
            "finish_reason": "stop",
        }
        mine = [(g, group) for g, group in enumerate(groups) if g % parts == part]
        samples = [
            {"group_id": g, "sample_index": i, "completion": text, **common}
            for g, group in mine
            for i, text in enumerate(group)
        ]
        write_rows(data, SAMPLES, name, samples)
    curate("verify", root, "--verifier", "countdown")
    return data


def feedback(data: Dataset, judge: str, *columns: str) -> list[Any]:
    """Return columns of a variant's rows by key; values, where one column is asked for."""
    frame = data.scan("feedback", judge).sort("group_id", "sample_index").select(columns).collect()
    return frame[columns[0]].to_list() if len(columns) == 1 else frame.rows()


def shown(body: dict[str, Any]) -> tuple[str, list[Step]]:
    """Return the problem and the steps that a request shows."""
    request = body["messages"][-1]["content"]
    problem = _PROBLEM.search(request)
    assert problem
    return unescape(problem[2]), [Step(unescape(text), 0) for _, _, text in STEPS.findall(request)]


def says(step: int | None, reason: str = "because") -> str:
    """Return a reply in the form that was asked for."""
    return f'{{"reason": "{reason}", "first_error_step": {-1 if step is None else step}}}'


def good_judge(body: dict[str, Any]) -> str:
    """Answer as the exact rule of countdown does."""
    if "<problem" not in body["messages"][-1]["content"]:
        return says(None, "a probe")
    problem, steps = shown(body)
    return says(first_wrong_step(problem, None, steps).first_error_step)


def nonsense(body: dict[str, Any]) -> str:
    """Answer as a tiny model does."""
    return "lorem { ipsum: 2 dolor"
