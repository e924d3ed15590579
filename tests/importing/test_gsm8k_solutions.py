from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.importing.gsm8k_solutions import MODELS, final_answer
from importing_case import Bring


def _problem(question: str = "1+1?", **models: Any) -> dict[str, Any]:
    solved = {model: {"solution": f"{model} says\nA: 2", "is_correct": i % 2 == 0} for i, model in enumerate(MODELS)}
    return {"question": question, "ground_truth": "One and one.\nA: 2", **solved, **models}


def test_a_problem_becomes_a_group_of_four_policies_in_fixed_order(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("example_model_solutions.jsonl", [_problem()]))
    assert got.report.format == "gsm8k-solutions"
    assert got.report.evidence.startswith("fields question, ground_truth, 6b_finetuning")
    assert got.samples["policy"].to_list() == [
        "6b_finetuning",
        "6b_verification",
        "175b_finetuning",
        "175b_verification",
    ]
    assert got.samples["sample_index"].to_list() == [0, 1, 2, 3]
    assert got.samples["token_exact"].to_list() == [False] * 4
    assert got.prompts.select("prompt", "answer", "reference", "source_file", "source_row").rows() == [
        ("1+1?", "2", "One and one.\nA: 2", "example_model_solutions.jsonl", 1)
    ]
    assert got.verdicts is not None
    assert got.verdicts.select("outcome", "reward").rows() == [("correct", 1.0), ("incorrect", 0.0)] * 2
    assert got.advantages is None
    assert got.report.outcome_from == "the source's accuracy"


def test_the_same_question_on_two_lines_is_two_groups_of_one_prompt(bring: Bring, jsonl: Callable[..., Path]) -> None:
    got = bring(jsonl("example_model_solutions.jsonl", [_problem(), _problem()]))
    assert got.report.groups.sizes == {4: 2}
    assert len(got.prompts) == 1


def test_a_missing_model_is_a_reject_and_the_others_stay(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rows = [_problem(), _problem("2+2?", **{"175b_finetuning": None, "6b_finetuning": {"is_correct": True}})]
    got = bring(jsonl("example_model_solutions.jsonl", rows))
    assert got.reasons() == [
        ("example_model_solutions.jsonl", 2, "6b_finetuning: has no completion"),
        ("example_model_solutions.jsonl", 2, "175b_finetuning has no solution with an is_correct flag"),
    ]
    assert got.report.groups.sizes == {2: 1, 4: 1}


@pytest.mark.parametrize(
    ("solution", "answer"),
    [("x\nA: 18", "18"), ("A: 1\nA: 2\nso", "2"), ("DNA: 3", None), ("A:", None), ("", None)],
)
def test_the_answer_is_on_the_last_line_that_starts_with_a(solution: str, answer: str | None) -> None:
    assert final_answer(solution) == answer


def test_the_published_file_arrives_whole(bring: Bring, public_data: Path) -> None:
    got = bring(public_data / "gsm8k")
    assert got.report.files == ["example_model_solutions.jsonl"]
    assert got.report.ignored_files == ["LICENSE", "test.jsonl"]
    assert (got.report.groups.n_groups, got.report.n_samples, got.report.n_rejects) == (1319, 5276, 0)
    assert got.verdicts is not None
    correct = got.verdicts.group_by("group_id").agg((pl.col("outcome") == "correct").sum().alias("c"))
    assert correct["c"].value_counts().sort("c")["count"].to_list() == [432, 290, 236, 205, 156]
    assert got.prompts["answer"].null_count() == 0
    assert got.parts == [f"part-{i:05d}.parquet" for i in range(6)]
    assert got.prompts["prompt_id"].is_unique().all()
