"""Solutions whose first wrong step is labelled, in the form of ProcessBench: what a judge is calibrated on.

One JSON object a line, or a Parquet file: id, generator, problem, steps (list of text), final_answer_correct, label =
0-based index of the first wrong step, -1 for none. Source: arXiv 2412.06559.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from curate.errors import ConfigError
from curate.importing import rows
from curate.importing.convert import BadValueError, integer, kind, label, text
from curate.importing.files import JSONL, PICKLES, Source
from curate.importing.record import Record, reject
from curate.records import Reject, Step

COLUMNS = ["id", "generator", "problem", "steps", "final_answer_correct", "label"]
BETWEEN_STEPS = "\n\n"


class LabelledSolution(NamedTuple):
    """One solution: where it is in its file, the problem, the steps, and the first wrong one, 1-based (null = none)."""

    row: int
    id: str | None
    generator: str | None
    problem: str
    steps: list[Step]
    first_error_step: int | None


def read_labels(path: Path) -> tuple[list[LabelledSolution], list[Reject]]:
    """Read a file of labelled solutions; a row that is none is a reject with its line and reason.

    ``id``, ``generator`` and ``final_answer_correct`` are not needed. Step offsets are those of the steps joined by a
    blank line. Raises ConfigError for a missing file, another kind of file, and one without a single such row.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is not a file: give a file of labelled solutions, .jsonl or .parquet")
    suffix = path.suffix.lower()
    if suffix in PICKLES or suffix not in (*JSONL, ".parquet"):
        raise ConfigError(f"{path}: labelled solutions are read from .jsonl and .parquet")
    source = Source(path, path.name, True)
    solutions: list[LabelledSolution] = []
    rejects: list[Reject] = []
    for record in rows.records(source):
        if isinstance(record, Reject):
            rejects.append(record)
            continue
        try:
            solutions.append(_solution(record))
        except BadValueError as error:
            rejects.append(reject(source, record, str(error)))
    if not solutions:
        why = f": line {rejects[0].line} {rejects[0].reason}" if rejects else ": it has no rows"
        raise ConfigError(f"{path} has no labelled solution{why}; its columns must be {', '.join(COLUMNS)}")
    return solutions, rejects


def first_error_step(wrong_index: int) -> int | None:
    """Turn a label of ProcessBench, 0-based and -1 for none, into our first_error_step, 1-based and null for none."""
    return None if wrong_index == -1 else wrong_index + 1


def _solution(record: Record) -> LabelledSolution:
    problem = _field(record.values, "problem", text)
    steps = _field(record.values, "steps", _steps)
    wrong_index = _field(record.values, "label", lambda value: integer(value, -1, len(steps) - 1))
    named = {
        name: None if record.values.get(name) is None else _field(record.values, name, label)
        for name in ("id", "generator")
    }
    return LabelledSolution(record.row, named["id"], named["generator"], problem, steps, first_error_step(wrong_index))


def _field(values: dict[str, Any], name: str, convert: Any) -> Any:
    if values.get(name) is None:
        raise BadValueError(f"has no {name}")
    try:
        return convert(values[name])
    except BadValueError as error:
        raise BadValueError(f"{name} {error}") from None


def _steps(value: object) -> list[Step]:
    if not isinstance(value, list):
        raise BadValueError(f"is {kind(value)}, not a list of text")
    if not value or not all(isinstance(step, str) and step.strip() for step in value):
        raise BadValueError("must be texts, at least one, none of them empty")
    steps, offset = [], 0
    for each in value:
        steps.append(Step(each, offset))
        offset += len(each) + len(BETWEEN_STEPS)
    return steps
