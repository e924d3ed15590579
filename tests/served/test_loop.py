"""The loop with a real server: 256 prompts x 32 sampled, verified, ranked three ways and re-weighted."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from curate.dataset import Dataset
from curate.models.fingerprint import fingerprint
from curate.sampling.seeds import sample_seeds
from curate.verbs.check import find_problems
from served_case import KEY, curate, forward, furthest, sampled, samples
from vllm_server import NAME, VllmServer

N_PROMPTS, GROUP_SIZE = 256, 32


@pytest.fixture(scope="module")
def data(raw_server: VllmServer, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("loop") / "data"
    data = sampled(folder, raw_server, policy, N_PROMPTS, "--group-size", GROUP_SIZE, "--seed", 3)
    curate("verify", data.root, "--verifier", "countdown")
    curate("logprob", data.root, "--from-sampler")
    curate("logprob", data.root, "--model", policy, "--as", "forward")
    curate("logprob", data.root, "--server", raw_server.url, "--model", NAME, "--as", "served")
    return data


def test_every_prompt_has_its_group_with_exact_tokens(data: Dataset, policy: Path) -> None:
    rows = samples(data)
    assert rows.height == N_PROMPTS * GROUP_SIZE
    assert rows["prompt_id"].n_unique() == N_PROMPTS
    assert rows["group_id"].n_unique() == N_PROMPTS
    same = rows.select("policy", "policy_version", "temperature", "top_p", "token_exact", "logprob_semantics").unique()
    assert same.rows() == [(NAME, fingerprint(policy), 1.0, 1.0, True, "processed")]  # at 1 they are the same
    for group, own in rows.group_by("group_id"):
        assert own["seed"].to_list() == sample_seeds(3, group[0], GROUP_SIZE)
    assert (rows["completion_ids"].list.len() == rows["logprobs"].list.len()).all()
    assert (rows["completion_ids"].list.last() == 1).to_list() == (rows["finish_reason"] == "stop").to_list()
    assert find_problems(data) == []


def test_stored_log_probs_are_those_of_the_checkpoint(data: Dataset, policy: Path) -> None:
    difference = furthest(samples(data)["logprobs"].to_list(), forward(data, policy, 1.0))
    print(f"sampled log-probs against the in-process forward: {difference:.1e} at most")
    assert difference < 1e-4


def test_scores_of_the_server_are_those_of_the_checkpoint(data: Dataset, policy: Path) -> None:
    served = data.scan("likelihoods", "served").sort(*KEY).collect()
    difference = furthest(served["logprobs"].to_list(), forward(data, policy, 1.0))
    print(f"scored log-probs against the in-process forward: {difference:.1e} at most")
    assert difference < 1e-4
    assert served["logprob_semantics"].unique().to_list() == ["processed"]


@pytest.mark.parametrize("scorer", ["sampler", "served"])
def test_ranks_agree_with_the_forward_pass(data: Dataset, scorer: str) -> None:
    ours, theirs = (data.scan("likelihoods", name).sort(*KEY).collect() for name in (scorer, "forward"))
    assert ours["mean_logprob"].to_list() == pytest.approx(theirs["mean_logprob"].to_list(), abs=1e-4)
    is_other = (
        ours["likelihood_rank"] - theirs["likelihood_rank"]
    ).abs() > 1  # neighbours may swap within the rounding
    assert is_other.sum() == 0


@pytest.mark.parametrize("scorer", ["sampler", "forward", "served"])
def test_it_is_re_weighted(data: Dataset, scorer: str) -> None:
    curate(
        "reweight",
        data.root,
        "--recipe",
        "unlikely_grpo",
        "--set",
        "beta_rank=0.25",
        "--scorer",
        scorer,
        "--as",
        f"unlikely-{scorer}",
    )
    rows = data.scan("advantages", f"unlikely-{scorer}").collect()
    assert rows.height == N_PROMPTS * GROUP_SIZE
    assert rows["advantage"].is_not_null().sum() > N_PROMPTS
    assert set(rows["drop_reason"].drop_nulls().unique()) <= {"all_wrong", "all_correct", "degenerate"}
    assert find_problems(data) == []


def test_prompt_ids_come_back_as_sent(data: Dataset, raw_server: VllmServer, policy: Path) -> None:
    from curate.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(policy)
    prompts = data.scan("prompts").select("prompt", "prompt_ids").collect()
    for text, ids in prompts.iter_rows():
        assert ids == tokenizer(text)["input_ids"]
        assert prompt_ids(raw_server, ids) == ids


def prompt_ids(server: VllmServer, ids: list[int]) -> list[int]:
    """Return what the server took as the prompt when it was sent ``ids``."""
    body = {"model": NAME, "prompt": ids, "add_special_tokens": False, "max_tokens": 1, "return_token_ids": True}
    asked = urllib.request.Request(
        f"{server.url}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as reply:
        found: list[int] = json.load(reply)["choices"][0]["prompt_token_ids"]
    return found


def test_a_second_run_asks_nothing(data: Dataset, policy: Path, raw_server: VllmServer) -> None:
    again = ("--group-size", GROUP_SIZE, "--seed", 3, "--max-new-tokens", 40)
    served = ("--server", raw_server.url, "--model", NAME, "--tokenizer", policy)
    before = pl.read_parquet(data.part(data.choose("samples"), data.parts(data.choose("samples"))[0]))
    assert "nothing to do" in curate("sample", data.root, *served, *again).stderr
    after = pl.read_parquet(data.part(data.choose("samples"), data.parts(data.choose("samples"))[0]))
    assert before.equals(after)
