"""The examples of docs/verifiers.md run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from verify_case import run, write_dataset

DOCUMENT = Path(__file__).parent.parent / "docs" / "verifiers.md"


def example(name: str) -> str:
    found = re.search(f"<!-- example: {name} -->\n\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]


def options(name: str) -> list[str]:
    """Return the options of the command that the document shows for an example."""
    import shlex

    found = re.search(f"^    curate verify runs/mine (.*{name}.*)$", DOCUMENT.read_text(), re.MULTILINE)
    assert found
    return [word.replace("python3 ", f"{sys.executable} ") for word in shlex.split(found[1])]


@pytest.mark.parametrize(
    ("name", "completions", "outcomes"),
    [
        ("close.py", ["it is 100.5", "102", "none", ""], ["correct", "incorrect", "unparsable", "unparsable"]),
        ("same.py", [" 100 ", "101", "", "100\n"], ["correct", "incorrect", "incorrect", "correct"]),
    ],
)
def test_the_example_judges_as_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, completions: list[str | None], outcomes: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(example(name))
    data = write_dataset(tmp_path / "data", [completions], answers=["100"])
    run("verify", data.root, *options(name))
    found = data.scan("verdicts", name.removesuffix(".py")).sort("sample_index").collect()
    assert found["outcome"].to_list() == outcomes
