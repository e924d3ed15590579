"""Published model solutions of GSM8K: one line a problem, four models' solutions with correctness flags.

Fields: question, ground_truth, and per model {solution, is_correct} (openai/grade-school-math,
example_model_solutions.jsonl). A problem is a group of four samples of mixed policy, in the order of MODELS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from curate.importing import rows
from curate.importing.convert import BadValueError, rollout, text
from curate.importing.files import JSONL, Source
from curate.importing.record import Record, reject
from curate.importing.rollout import Item, Options, refuse_columns

NAME = "gsm8k-solutions"
FILES = re.compile(r"model_solutions\.jsonl$")
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def detect(path: Path) -> str | None:
    """Say why a file looks like GSM8K model solutions, or None."""
    if path.suffix.lower() not in JSONL or not {"question", "ground_truth", *MODELS} <= set(rows.peek(path)):
        return None
    return f"fields question, ground_truth, {', '.join(MODELS)}: GSM8K example solutions"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read four samples a line; a model whose solution or flag is missing becomes a reject of its own."""
    refuse_columns(options, NAME)
    for source in sources:
        yield from rows.each(source, partial(_samples, source))


def final_answer(solution: str) -> str | None:
    """Read what follows ``A:`` on the last line that starts so; None where no line does.

    Anchored to the line's start: a search anywhere in the text finds the wrong place in one of the 1,319 problems.
    """
    for line in reversed(solution.split("\n")):
        if line.startswith("A:"):
            return line[2:].strip() or None
    return None


def _samples(source: Source, record: Record) -> Iterator[Item]:
    reference = text(record.values.get("ground_truth"))
    shared = {
        "prompt": record.values.get("question"),
        "answer": final_answer(reference),
        "reference": reference,
    }
    for index, model in enumerate(MODELS):
        solved = record.values.get(model)
        if not isinstance(solved, dict) or solved.get("is_correct") is None:
            yield reject(source, record, f"{model} has no solution with an is_correct flag")
            continue
        own = {"completion": solved.get("solution"), "accuracy": solved["is_correct"], "policy": model}
        group = {"file": source.name, "row": record.row}
        try:
            yield rollout(source.name, record.row, shared | own | {"sample_index": index}, group)
        except BadValueError as error:
            yield reject(source, record, f"{model}: {error}")
