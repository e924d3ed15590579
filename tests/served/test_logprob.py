"""Stored completions scored by a real server: against the in-process forward, and the rows that it refuses."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from curate.verbs.check import find_problems
from served_case import curate, forward, furthest
from stored import PROMPTS, SAMPLES, write_rows
from vllm_server import MAX_MODEL_LEN, NAME, VllmServer

PART = "part-00000.parquet"
LETTERS = range(3, 22)


def dataset(root: Path, lengths: list[int], last_id: int | None = None) -> Dataset:
    """Return one group whose completions have these lengths after a prompt of ten tokens, random letters throughout."""
    rng = random.Random(1)
    data = Dataset(root, create=True)
    prompt = [rng.choice(LETTERS) for _ in range(10)]
    completions = [[rng.choice(LETTERS) for _ in range(length)] for length in lengths]
    if last_id is not None:
        completions[-1][0] = last_id
    same = {"group_id": 7, "prompt_id": "p", "token_exact": True, "hinted": False, "temperature": 1.0}
    rows = [same | {"sample_index": i, "completion_ids": ids} for i, ids in enumerate(completions)]
    known = {"prompt_id": "p", "prompt": "x", "prompt_format": "text", "prompt_ids": prompt, "source": "test"}
    write_rows(data, PROMPTS, PART, [known])
    write_rows(data, SAMPLES, PART, rows)
    return data


@pytest.mark.parametrize("mode", ["raw", "processed"])
def test_unlikely_tokens_of_every_length(
    mode: str, request: pytest.FixtureRequest, policy: Path, tmp_path: Path
) -> None:
    server: VllmServer = request.getfixturevalue(f"{mode}_server")
    data = dataset(tmp_path / "data", list(range(1, MAX_MODEL_LEN - 10)))
    curate("logprob", data.root, "--server", server.url, "--model", NAME)
    rows = data.scan("likelihoods", NAME).collect()
    assert furthest(rows["logprobs"].to_list(), forward(data, policy, 1.0)) < 1e-4
    assert rows["mean_logprob"].max() < -2
    assert find_problems(data) == []


@pytest.mark.parametrize(
    ("length", "last_id", "words"),
    [
        (MAX_MODEL_LEN - 10, None, "max_tokens must be at least 1"),  # no room for the one token that must be asked for
        (MAX_MODEL_LEN, None, "maximum context length"),
        (5, 99, "out of vocabulary"),
    ],
)
def test_a_row_that_the_server_refuses_is_null(
    raw_server: VllmServer, tmp_path: Path, length: int, last_id: int | None, words: str
) -> None:
    data = dataset(tmp_path / "data", [3, 4, length], last_id)
    line = ["logprob", str(data.root), "--server", raw_server.url, "--model", NAME]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 1, result.output
    assert "sample 2 is not scored" in result.stderr
    assert words in result.stderr
    assert data.scan("likelihoods", NAME).collect()["mean_logprob"].is_null().to_list() == [False, False, True]


def test_a_model_that_is_not_served_is_refused_with_the_server_s_words(raw_server: VllmServer, tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", [3, 4])
    result = CliRunner().invoke(app, ["logprob", str(data.root), "--server", raw_server.url, "--model", "other"])
    assert result.exit_code == 1, result.output
    assert "The model `other` does not exist" in result.stderr
    assert not data.variants("likelihoods")
