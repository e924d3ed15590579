"""What the tests of ``curate sample --server`` share: the command line, and the rows that the fake server's replies must give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from typer.testing import CliRunner

import fake_model
from curate.cli import app
from curate.dataset import Dataset
from curate.verbs.check import find_problems
from curate.verbs.lookup import POLICIES
from fake_server import FakeServer

POLICY = POLICIES / "countdown-strong"
VOCABULARY = 22
MAX_NEW_TOKENS = 16
GROUP_SIZE = 4
KEY = ("group_id", "sample_index")


def words(data: Dataset, server: FakeServer, *options: object, group_size: int = GROUP_SIZE) -> list[str]:
    """Return the command that samples from a server that takes token ids."""
    served = ("--server", server.url, "--model", server.model, "--tokenizer", POLICY)
    size = ("--group-size", group_size, "--max-new-tokens", MAX_NEW_TOKENS)
    return [str(word) for word in ("sample", data.root, *served, *size, *options)]


def run(line: Iterable[object], code: int = 0) -> Any:
    """Run a command that must end with ``code``."""
    result = CliRunner().invoke(app, [str(word) for word in line])
    assert result.exit_code == code, result.output
    return result


def rows(data: Dataset) -> pl.DataFrame:
    """Return the samples by key, with the ids of their prompts."""
    prompts = data.scan("prompts").select("prompt_id", "prompt_ids")
    return data.scan("samples").join(prompts, on="prompt_id", how="left").sort(*KEY).collect()


def check_rows(data: Dataset, group_size: int = GROUP_SIZE) -> pl.DataFrame:
    """Return the samples, after making sure that all are whole and what the server must have said for prompt and seed."""
    assert find_problems(data) == []
    found = rows(data)
    sizes = found.group_by("group_id").agg(pl.col("sample_index"))["sample_index"]
    assert all(sorted(each) == list(range(group_size)) for each in sizes)
    for row in found.iter_rows(named=True):
        ids = fake_model.complete(row["prompt_ids"], row["seed"], MAX_NEW_TOKENS, VOCABULARY)
        assert row["completion_ids"] == ids
        assert row["finish_reason"] == ("stop" if ids[-1] == fake_model.EOS_ID else "length")
        expected = np.array(fake_model.logprobs(row["prompt_ids"], ids), np.float32)
        assert np.array_equal(np.array(row["logprobs"], np.float32), expected)
    return found
