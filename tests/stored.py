"""Small datasets that tests write part by part, without an importer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.parts import Footer, write_part

SAMPLES = TableRef("samples")
PROMPTS = TableRef("prompts")
VERDICTS = TableRef("verdicts", "exact")


def write_rows(
    data: Dataset, ref: TableRef, name: str, rows: list[dict[str, Any]], inputs: dict[str, str] | None = None
) -> str:
    """Write one part of these rows; columns that a row leaves out are null."""
    rules = contract(ref.table)
    table = rules.rows({column: [row.get(column) for row in rows] for column in rules.schema.names})
    footer = Footer(rules.hash, "job", inputs or {}, {})
    return write_part(data.part(ref, name), table, rules, footer, data.private / "tmp")


def small_dataset(root: Path, n_parts: int = 2, groups_a_part: int = 2, group_size: int = 4) -> Dataset:
    """Return a dataset of prompts "say N" with answers N; sample i of a group answers N where i is even, else 0."""
    data = Dataset(root, create=True)
    for part in range(n_parts):
        name = f"part-{part:05d}.parquet"
        groups = [part * groups_a_part + g for g in range(groups_a_part)]
        prompts = [
            {"prompt_id": f"p{g}", "prompt": f"say {g}", "prompt_format": "text", "answer": str(g), "source": "test"}
            for g in groups
        ]
        samples = [
            {
                "group_id": 1000 + g,
                "sample_index": i,
                "prompt_id": f"p{g}",
                "completion": str(g) if i % 2 == 0 else "no",
                "token_exact": False,
                "hinted": False,
            }
            for g in groups
            for i in range(group_size)
        ]
        write_rows(data, PROMPTS, name, prompts)
        write_rows(data, SAMPLES, name, samples)
    return data


def countdown_prompts(path: Path, n: int = 8, seed: int = 0, prompts_per_part: int = 3_000) -> Dataset:
    """Return a dataset of n countdown prompts and nothing else, as ``curate prompts countdown`` makes it."""
    from curate.verbs.prompts import prompts

    prompts("countdown", path, n=n, seed=seed, prompts_per_part=prompts_per_part)
    return Dataset(path)
