"""Files of labelled solutions, in the form of ProcessBench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import ConfigError
from curate.importing.step_labels import first_error_step, read_labels

GOOD: dict[str, Any] = {
    "id": "gsm8k-0",
    "generator": "model-a",
    "problem": "2 and 3?",
    "steps": ["2+3=5", "so 5"],
    "final_answer_correct": True,
    "label": -1,
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(("label", "step"), [(-1, None), (0, 1), (3, 4)])
def test_labels_are_0_based_and_ours_1_based(label: int, step: int | None) -> None:
    assert first_error_step(label) == step


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_both_forms_are_read_alike(tmp_path: Path, suffix: str) -> None:
    rows = [GOOD, {**GOOD, "id": "gsm8k-1", "label": 1}]
    path = tmp_path / f"labels{suffix}"
    if suffix == ".jsonl":
        write(path, *rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    solutions, rejects = read_labels(path)
    assert rejects == []
    assert [s.first_error_step for s in solutions] == [None, 2]
    assert [s.id for s in solutions] == ["gsm8k-0", "gsm8k-1"]
    assert solutions[0].generator == "model-a"
    joined = "\n\n".join(GOOD["steps"])
    assert [joined[step.offset :].startswith(step.text) for step in solutions[0].steps] == [True, True]
    assert [step.text for step in solutions[0].steps] == GOOD["steps"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": 2}, "label is outside -1..1"),
        ({"label": -2}, "label is outside -1..1"),
        ({"label": None}, "has no label"),
        ({"label": "1"}, "label is text, not a whole number"),
        ({"label": True}, "label is a truth value, not a whole number"),
        ({"steps": []}, "steps must be texts, at least one, none of them empty"),
        ({"steps": ["a", " "]}, "steps must be texts, at least one, none of them empty"),
        ({"steps": ["a", 3]}, "steps must be texts, at least one, none of them empty"),
        ({"steps": "a"}, "steps is text, not a list of text"),
        ({"problem": None}, "has no problem"),
        ({"problem": 3}, "problem is a number, not text"),
    ],
)
def test_a_row_that_is_no_labelled_solution_is_a_reject_with_its_line(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    solutions, rejects = read_labels(write(tmp_path / "x.jsonl", GOOD, {**GOOD, **change}))
    assert len(solutions) == 1
    assert [(r.line, r.reason) for r in rejects] == [(2, reason)]


def test_a_line_that_is_no_json_is_a_reject_too_and_what_is_not_needed_may_lack(tmp_path: Path) -> None:
    bare = {name: GOOD[name] for name in ("problem", "steps", "label")}
    solutions, rejects = read_labels(write(tmp_path / "x.jsonl", "{", bare))
    assert [r.line for r in rejects] == [1]
    assert (solutions[0].id, solutions[0].generator, solutions[0].row) == (None, None, 2)


def test_files_that_cannot_be_read_say_what_they_must_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        read_labels(tmp_path / "none.jsonl")
    for name in ("x.csv", "x.pkl"):
        (tmp_path / name).write_text("label\n")
        with pytest.raises(ConfigError, match=r"from \.jsonl and \.parquet"):
            read_labels(tmp_path / name)
    with pytest.raises(ConfigError, match=r"no labelled solution: line 1 has no problem; its columns must be id, gen"):
        read_labels(write(tmp_path / "x.jsonl", {"a": 1}))
    with pytest.raises(ConfigError, match="it has no rows"):
        read_labels(write(tmp_path / "x.jsonl"))
