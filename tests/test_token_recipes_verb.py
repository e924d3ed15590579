"""Recipes for single tokens end to end: stored top-k log-probs, and two scorers beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.verbs.check import find_problems
from stored import countdown_prompts

K = 4


def curate(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = countdown_prompts(tmp_path_factory.mktemp("tokens") / "data", n=24)
    size = ("--group-size", 8, "--max-new-tokens", 40)
    curate("sample", data.root, "--local", "countdown-strong", *size, "--top-k-logprobs", K)
    curate("verify", data.root, "--verifier", "countdown")
    for model in ("countdown-early", "countdown-strong"):
        curate("logprob", data.root, "--model", model)
    return data


def kept(data: Dataset, recipe: str) -> pl.DataFrame:
    found = data.scan("advantages", recipe).collect().hstack(data.scan("samples").select("completion_ids").collect())
    return found.filter(pl.col("drop_reason").is_null())


def test_top_k_is_stored_for_every_token(data: Dataset) -> None:
    found = data.scan("samples").collect()
    lengths = found["completion_ids"].list.len().to_list()
    assert found["topk_ids"].list.len().to_list() == found["topk_logprobs"].list.len().to_list() == lengths
    assert set(found["topk_ids"].explode().list.len()) == {K}
    assert find_problems(data) == []


def test_tokens_are_weighed_by_stored_top_k(data: Dataset) -> None:
    curate("reweight", data.root, "--recipe", "tw_grpo", "--set", "alive_only=true")
    found = kept(data, "tw_grpo")
    assert found.height >= 8
    assert found["token_advantages"].list.len().to_list() == found["completion_ids"].list.len().to_list()
    ratio = found.filter(pl.col("advantage") != 0).select(
        low=pl.col("token_advantages").list.eval(pl.element().abs()).list.min() / pl.col("advantage").abs(),
        high=pl.col("token_advantages").list.eval(pl.element().abs()).list.max() / pl.col("advantage").abs(),
    )
    assert ratio["low"].min() == pytest.approx(1.0, abs=1e-6)
    assert ratio["high"].max() == pytest.approx(1.7, abs=1e-6)


def test_without_top_k_the_command_that_stores_it_is_said(tmp_path: Path) -> None:
    data = countdown_prompts(tmp_path / "data", n=4)
    curate("sample", data.root, "--local", "countdown-strong", "--group-size", 4, "--max-new-tokens", 40)
    curate("verify", data.root, "--verifier", "countdown")
    result = curate("reweight", data.root, "--recipe", "tw_grpo", code=2)
    assert "from `curate sample DIR --local PATH --top-k-logprobs 20`" in " ".join(result.output.split())


def test_two_scorers_give_the_credit_of_each_token(data: Dataset) -> None:
    scorers = ("--scorer", "countdown-strong", "--ref-scorer", "countdown-early")
    curate("reweight", data.root, "--recipe", "q_star", "--set", "beta=0.5", *scorers)
    likelihoods = [data.scan("likelihoods", name).collect()["logprobs"] for name in scorers[1::2]]
    found = data.scan("advantages", "q_star").collect()
    for row, logp, ref in zip(found.iter_rows(named=True), *likelihoods, strict=True):
        if row["drop_reason"] is None:
            expected = [0.5 * (a - b) for a, b in zip(logp, ref, strict=True)]
            assert row["token_credit"] == pytest.approx(expected, abs=1e-6)
        else:
            assert row["token_credit"] is None
    assert found["token_advantages"].null_count() == found.height
    assert (
        "q_star: nothing to do"
        in curate("reweight", data.root, "--recipe", "q_star", "--set", "beta=0.5", *scorers).stderr
    )
    assert find_problems(data) == []


def test_the_reference_must_be_named(data: Dataset) -> None:
    said = curate(
        "reweight", data.root, "--recipe", "q_star", "--scorer", "countdown-strong", "--as", "no", code=2
    ).stderr
    assert "q_star needs ref_logprobs: name the likelihoods of the reference model with --ref-scorer NAME" in said


def test_a_server_is_not_asked_for_top_k(data: Dataset) -> None:
    link = ("--server", "http://127.0.0.1:1", "--model", "m", "--tokenizer", "countdown-early")
    said = curate("sample", data.root, *link, "--top-k-logprobs", 3, code=2).stderr
    assert "top_k_logprobs goes with local" in said
