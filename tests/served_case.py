"""What the tests against a real server share: the command line, rows by key, and the in-process forward."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset
from stored import countdown_prompts
from vllm_server import NAME, VllmServer

KEY = ("group_id", "sample_index")
MAX_NEW_TOKENS = 40


def curate(*arguments: object) -> Any:
    """Run a command that must succeed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def sample_line(data: Dataset, server: VllmServer, policy: Path, *options: object) -> list[object]:
    """Return the words of the command that samples from a server."""
    served = ("--server", server.url, "--model", NAME, "--tokenizer", policy)
    return ["sample", data.root, *served, "--max-new-tokens", MAX_NEW_TOKENS, *options]


def sampled(folder: Path, server: VllmServer, policy: Path, n_prompts: int, *options: object) -> Dataset:
    """Return a dataset of countdown prompts sampled from a server."""
    shutil.rmtree(folder, ignore_errors=True)
    data = countdown_prompts(folder, n=n_prompts)
    curate(*sample_line(data, server, policy, *options))
    return data


def samples(data: Dataset) -> pl.DataFrame:
    """Return the samples by key, with the ids of their prompts."""
    prompts = data.scan("prompts").select("prompt_id", "prompt_ids")
    return data.scan("samples").join(prompts, on="prompt_id").sort(*KEY).collect()


def forward(data: Dataset, policy: Path, temperature: float) -> list[list[float]]:
    """Return the log-probs of every sample under the checkpoint in this process, by key."""
    from curate.likelihood.model import Scorer

    rows = samples(data)
    scores = Scorer(policy, device="cpu").score(
        rows["prompt_ids"].to_list(), rows["completion_ids"].to_list(), temperature
    )
    return [score.logprobs or [] for score in scores]


def furthest(ours: list[list[float]], theirs: list[list[float]]) -> float:
    """Return the largest difference between two lists of log-probs of the same tokens."""
    pairs = [pair for one, other in zip(ours, theirs, strict=True) for pair in zip(one, other, strict=True)]
    return max(abs(one - other) for one, other in pairs)
