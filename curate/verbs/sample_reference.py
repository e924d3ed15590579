"""The stage that takes known solutions as samples, for supervised training: text only, from no policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.dataset import TableRef

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.stage import Made, Stage

PROMPTS, SAMPLES = TableRef("prompts"), TableRef("samples")
POLICY = "reference"


def reference_stage(data: Dataset) -> Stage:
    """Return the stage: one group a prompt with every solution that is known; prompts without one are dropped."""
    from curate.console import command
    from curate.jobrecord import DATASET
    from curate.stage import Stage

    return Stage(
        verb="sample",
        ref=SAMPLES,
        inputs=[PROMPTS],
        parameters={"policy": POLICY},
        command=command("sample", DATASET, reference=True),
        make=lambda name, _: _make(data, name),
    )


def known_solutions(prompt: dict[str, Any]) -> list[str]:
    """Return every solution of a countdown prompt, else its reference text; empty where none is known."""
    from curate.tasks.countdown import parse
    from curate.tasks.prompts import NAME
    from curate.tasks.solve import solutions

    problem = parse(prompt["answer"] or prompt["prompt"] or "") if prompt["source"] == NAME else None
    found = solutions(problem) if problem else []
    return found or [text for text in [prompt["reference"]] if text]


def _make(data: Dataset, name: str) -> Made:
    from collections import Counter

    from curate.contracts import contract
    from curate.ids import group_id
    from curate.stage import Made, read
    from curate.verbs.hinted import is_hinted
    from curate.verbs.sample_groups import GOLD_FAILED
    from curate.verbs.self_test import failed_golds

    columns: dict[str, list[Any]] = {"group_id": [], "sample_index": [], "prompt_id": [], "completion": []}
    dropped = Counter[str]()
    unfit = failed_golds(data)
    for prompt in read(data, PROMPTS, name, ["prompt_id", "prompt", "answer", "reference", "source"]).to_pylist():
        if prompt["prompt_id"] in unfit:
            dropped[GOLD_FAILED] += 1
            continue
        texts = known_solutions(prompt)
        dropped["no_reference"] += not texts
        columns["group_id"] += [group_id([prompt["prompt_id"], POLICY, None, {}])] * len(texts)
        columns["sample_index"] += range(len(texts))
        columns["prompt_id"] += [prompt["prompt_id"]] * len(texts)
        columns["completion"] += texts
    columns["hinted"] = [is_hinted(prompt_id) for prompt_id in columns["prompt_id"]]
    same = {"finish_reason": "stop", "policy": POLICY, "token_exact": False}
    rows = contract("samples").rows(columns | {key: [v] * len(columns["group_id"]) for key, v in same.items()})
    return Made(rows, dropped=dict(+dropped))
