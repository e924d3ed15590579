"""``curate reweight`` finds what shapings and gates read: in samples, prompts, verdicts and the judge's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef
from stored import PROMPTS, SAMPLES, VERDICTS, write_rows

NAME = "part-00000.parquet"
FEEDBACK = TableRef("feedback", "model")
CORRECT = [True, False, False, False]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """One group of four samples, which gave the options A and C, A, B, and nothing."""
    data = Dataset(tmp_path / "data", create=True)
    keys = [{"group_id": 5, "sample_index": i} for i in range(4)]
    prompt = {"prompt_id": "p", "prompt": "which?", "prompt_format": "text", "answer": "A,C", "source": "test"}
    write_rows(data, PROMPTS, NAME, [prompt])
    samples: list[dict[str, Any]] = [
        {
            **key,
            "prompt_id": "p",
            "completion": "x",
            "completion_ids": [1] * length,
            "loss_mask": None if length < 12 else [True] * 10 + [False] * (length - 10),
            "finish_reason": "length" if length == 11 else "stop",
            "token_exact": True,
            "hinted": False,
        }
        for key, length in zip(keys, [4, 9, 11, 30], strict=True)
    ]
    write_rows(data, SAMPLES, NAME, samples)
    verdicts = [
        {**key, "outcome": "correct" if c else "incorrect", "reward": float(c), "extracted": given}
        for key, c, given in zip(keys, CORRECT, ["C, A", "A", "B", None], strict=True)
    ]
    write_rows(data, VERDICTS, NAME, verdicts)
    scores: list[dict[str, float] | None] = [{"clarity": 2.0, "style": 9.0}, {"clarity": 4.0}, {"style": 1.0}, None]
    write_rows(data, FEEDBACK, NAME, [{**key, "judge_scores": s} for key, s in zip(keys, scores, strict=True)])
    return data


def reweighted(data: Dataset, *options: str, name: str) -> pl.DataFrame:
    result = CliRunner().invoke(app, ["reweight", str(data.root), *options, "--as", name])
    assert result.exit_code == 0, result.output
    return pl.read_parquet(data.part(TableRef("advantages", name), NAME), hive_partitioning=False)


def test_lengths_are_the_counted_token_ids_of_samples(data: Dataset) -> None:
    found = reweighted(
        data, "--recipe", "dapo", "--set", "max_tokens=12", "--set", "cache=5", "--set", "factor=1", name="dapo"
    )
    # 4, 9, 11 and, of 30 ids, 10 counted: (7 - n) / 5, at most 0
    assert found["shaped"].to_list() == pytest.approx([1.0, -0.4, -0.8, -0.6])


def test_lengths_of_a_scorer_come_first(data: Dataset) -> None:
    scored = {"sum_logprob": -8.0, "mean_logprob": -1.0, "likelihood_rank": 2.5, "n_tokens": 8}
    rows = [{"group_id": 5, "sample_index": i, **scored} for i in range(4)]
    write_rows(data, TableRef("likelihoods", "m"), NAME, rows)
    found = reweighted(data, "--recipe", "dapo", "--set", "max_tokens=10", "--set", "cache=4", name="scored")
    assert found["shaped"].to_list() == [0.75, -0.25, -0.25, -0.25]


def test_options_come_from_verdict_and_prompt(data: Dataset) -> None:
    found = reweighted(data, "--recipe", "multi_choice_grpo", name="options")
    assert found["shaped"].to_list() == [1.0, 0.5, 0.0, 0.0]


def test_scores_come_from_the_judges_map(data: Dataset) -> None:
    found = reweighted(
        data,
        *("--recipe", "multi_objective", "--set", "weights.reward=1", "--set", "weights.clarity=0.25"),
        name="objectives",
    )
    assert found["shaped"].to_list() == [1.5, 1.0, None, None]
    assert found["drop_reason"].to_list() == [None, None, "no_score", "no_score"]


def test_gates_read_how_a_sample_ended_and_how_often_its_group_is_right(data: Dataset) -> None:
    found = reweighted(data, "--recipe", "grpo", "--gate", "drop_truncated", name="whole")
    assert found["drop_reason"].to_list() == [None, None, "gated", None]
    band = ("--gate", "accuracy_band", "--set", "accuracy_band.low=0.5")
    hard = reweighted(data, "--recipe", "grpo", *band, name="band")
    assert hard["drop_reason"].to_list() == ["gated"] * 4


def test_care_says_which_scorer_it_needs(data: Dataset) -> None:
    result = CliRunner().invoke(app, ["reweight", str(data.root), "--recipe", "grpo_care"])
    assert result.exit_code == 2
    assert "grpo_care needs answer_mean_logprob, mean_logprob" in result.output
    assert f"curate logprob {data.root} --model PATH --verifier NAME" in result.output.replace("\n", "")


@pytest.mark.parametrize(
    ("options", "needs", "command"),
    [
        (
            ("--recipe", "tw_grpo"),
            "recipe tw_grpo needs topk_ids",
            "curate sample DIR --local PATH --top-k-logprobs 20",
        ),
        (("--recipe", "group_dro"), "recipe group_dro needs domain", "curate import PATH --to DIR"),
        (("--recipe", "grpo", "--weighting", "group_dro"), "recipe grpo needs domain", "curate import PATH --to DIR"),
    ],
)
def test_a_column_that_is_null_throughout_is_refused(
    data: Dataset, options: tuple[str, ...], needs: str, command: str
) -> None:
    result = CliRunner().invoke(app, ["reweight", str(data.root), *options, "--as", "unknown"])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert needs in said
    assert "is null in every row of" in said
    assert command in said
    assert not data.variants("advantages")


def test_lengths_of_samples_without_token_ids_are_asked_of_a_scorer(data: Dataset) -> None:
    data.part(SAMPLES, NAME).unlink()
    texts = [
        {"group_id": 5, "sample_index": i, "prompt_id": "p", "completion": "x", "token_exact": False, "hinted": False}
        for i in range(4)
    ]
    write_rows(data, SAMPLES, NAME, texts)
    result = CliRunner().invoke(app, ["reweight", str(data.root), "--recipe", "opo"])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "recipe opo needs n_tokens, and completion_ids is null in every row" in said
    assert "curate logprob DIR --model PATH" in said


def test_what_a_weighting_comes_to_is_said(data: Dataset) -> None:
    options = ["--recipe", "cvar_dro", "--set", "alpha=0.5"]
    for dry in ([], ["--dry-run"]):
        result = CliRunner().invoke(app, ["reweight", str(data.root), *options, *dry])
        assert result.exit_code == 0, result.output
        assert "weights of groups: the 1 that train are worth 1.0 of equal weight" in " ".join(result.output.split())


@pytest.mark.parametrize(("option", "reads"), [("--by", "branches"), ("--ref-scorer", "reference")])
def test_a_variant_that_is_not_read_is_refused(data: Dataset, option: str, reads: str) -> None:
    result = CliRunner().invoke(app, ["reweight", str(data.root), "--recipe", "grpo", option, "group"])
    assert result.exit_code == 2
    assert f"recipe grpo reads no {reads}: leave {option} group away" in " ".join(result.output.split())
