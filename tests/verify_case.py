"""A dataset of short completions and a function that judges them in worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from stored import PROMPTS, SAMPLES, write_rows

JUDGE = '''
import os, time

def judge(completion, answer):
    """`sleep S` takes S seconds, `hang` never ends, `exit` ends the process; else the last word is the answer."""
    words = completion.split() or [""]
    if words[0] == "sleep":
        time.sleep(float(words[1]))
    while words[0] == "hang":
        pass
    if words[0] == "exit":
        os._exit(7)
    if words[0] == "none":
        return None
    return {"reward": int(words[-1] == answer), "extracted": words[-1]}
'''


def write_judge(folder: Path) -> str:
    """Write the function and return its entry point."""
    (folder / "judge.py").write_text(JUDGE)
    return f"{folder / 'judge.py'}:judge"


def write_dataset(
    root: Path, completions: list[list[str | None]], groups_a_part: int = 3, answers: list[str | None] | None = None
) -> Dataset:
    """Return a dataset with one group a list of completions; the answer of group g is ``str(g)`` if not given."""
    data = Dataset(root, create=True)
    for first in range(0, len(completions), groups_a_part):
        name = f"part-{first // groups_a_part:05d}.parquet"
        groups = range(first, min(first + groups_a_part, len(completions)))
        prompts = [_prompt(g, str(g) if answers is None else answers[g]) for g in groups]
        samples = [_sample(g, i, text) for g in groups for i, text in enumerate(completions[g])]
        write_rows(data, PROMPTS, name, prompts)
        write_rows(data, SAMPLES, name, samples)
    return data


def _prompt(group: int, answer: str | None) -> dict[str, Any]:
    return {
        "prompt_id": f"p{group}",
        "prompt": f"say {group}",
        "prompt_format": "text",
        "answer": answer,
        "source": "t",
    }


def _sample(group: int, index: int, text: str | None) -> dict[str, Any]:
    keys = {"group_id": 1000 + group, "sample_index": index, "prompt_id": f"p{group}"}
    ids = [1] if text is None else None
    return {**keys, "completion": text, "completion_ids": ids, "token_exact": False, "hinted": False}


def run(*arguments: object, code: int = 0) -> Any:
    """Run a command and return its result, whose exit code must be ``code``."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result
