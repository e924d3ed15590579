"""Log-probs at a temperature other than 1: before it (raw) or after it (processed), as the server is set, and recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.dataset import Dataset
from served_case import KEY, curate, forward, furthest, sampled, samples
from vllm_server import NAME, VllmServer

TEMPERATURE = 0.7


@pytest.fixture(scope="module", params=["raw", "processed"])
def semantics(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, semantics: str) -> VllmServer:
    found: VllmServer = request.getfixturevalue(f"{semantics}_server")
    return found


@pytest.fixture(scope="module")
def data(server: VllmServer, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("warm") / "data"
    return sampled(folder, server, policy, 32, "--group-size", 8, "--temperature", TEMPERATURE)


def test_what_the_log_probs_are_is_recorded(data: Dataset, semantics: str, policy: Path) -> None:
    rows = samples(data)
    assert rows.select("temperature", "logprob_semantics").unique().rows() == [(TEMPERATURE, semantics)]
    heat = {"raw": 1.0, "processed": TEMPERATURE}
    assert furthest(rows["logprobs"].to_list(), forward(data, policy, heat[semantics])) < 1e-4
    other = {"raw": TEMPERATURE, "processed": 1.0}
    assert furthest(rows["logprobs"].to_list(), forward(data, policy, other[semantics])) > 0.1


def test_scores_of_a_prompt_are_raw_whatever_the_mode(data: Dataset, server: VllmServer, policy: Path) -> None:
    scored = curate("logprob", data.root, "--server", server.url, "--model", NAME)
    assert "raw" in scored.stderr
    rows = data.scan("likelihoods", NAME).sort(*KEY).collect()
    assert rows["logprob_semantics"].unique().to_list() == ["raw"]
    assert furthest(rows["logprobs"].to_list(), forward(data, policy, 1.0)) < 1e-4
