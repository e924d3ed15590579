"""Whole groups from a server that fails: complete and with their own seeds, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import fake_model
from curate.errors import SamplerError
from curate.sampling.completion import Setting
from curate.sampling.dialect import Served
from curate.sampling.probed import Probed
from curate.sampling.served import DIALECTS, SamplingFailed, ServedSampler
from curate.serving import client as client_module
from curate.serving import server as server_module
from curate.serving.client import Client
from curate.serving.limits import Limits
from fake_faults import WRONG
from fake_server import FakeServer

PROMPT = [5, 6, 7]
SETTING = Setting(max_new_tokens=20)
KNOWN: dict[str, Any] = {"vocab_size": 32, "end_ids": frozenset({1})}
EXACT = ("vllm", "sglang")


@pytest.fixture(autouse=True)
def _quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(client_module, "JITTER_S", 0.01)
    monkeypatch.setattr(server_module, "PAUSE_S", 0.01)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


def sample(
    server: FakeServer, api: str, n: int, seed: int = 100, prompt: Any = PROMPT, probed: Probed | None = None
) -> list[Served]:
    async def work() -> list[Served]:
        async with Client([server.url], Limits(timeout_s=5, attempts=3, patience_s=5)) as client:
            sampler = ServedSampler(client, DIALECTS[api], "fake", SETTING, probed or Probed(), **KNOWN)
            return await sampler.sample(prompt, n, seed)

    return asyncio.run(work())


def expected(n: int, seed: int = 100) -> list[list[int]]:
    return [fake_model.complete(PROMPT, seed + index, 20) for index in range(n)]


def asked(server: FakeServer) -> list[tuple[int, int]]:
    """Return (seed, n) of every request."""
    settings = [body.get("sampling_params", body) for body in server.bodies]
    return sorted((each.get("seed", each.get("sampling_seed")), each["n"]) for each in settings)


@pytest.mark.parametrize("api", EXACT)
def test_a_group_is_split_and_sample_i_has_seed_plus_i(server: FakeServer, api: str) -> None:
    group = sample(server, api, 40)
    assert [each.ids for each in group] == expected(40)
    assert group[0].logprobs == pytest.approx(fake_model.logprobs(PROMPT, group[0].ids or []))
    assert asked(server) == [(100, 16), (116, 16), (132, 8)]


def test_a_server_without_spaced_seeds_is_asked_for_every_sample_alone(server: FakeServer) -> None:
    server.children = "same"
    group = sample(server, "vllm", 5, probed=Probed(children="own request", max_n=1))
    assert [each.ids for each in group] == expected(5)
    assert asked(server) == [(100, 1), (101, 1), (102, 1), (103, 1), (104, 1)]


def test_text_alone(server: FakeServer) -> None:
    messages = [{"role": "user", "content": "3 5"}]
    group = sample(server, "openai", 3, prompt=messages)
    assert [each.ids for each in group] == [None] * 3
    assert [each.logprobs for each in group] == [None] * 3
    assert len({each.text for each in group}) == 3


def test_only_what_is_missing_is_asked_again_with_its_own_seed() -> None:
    with FakeServer(faults={"missing_choices": 1.0}) as server:
        with pytest.raises(SamplingFailed) as failed:
            sample(server, "vllm", 5)
        # 5 lack the third, which alone comes without any choice
        assert asked(server) == [(100, 5), (102, 1), (102, 1), (102, 1)]
    assert failed.value.reason == "missing_choice"
    assert "1 of 5 completions were bad 4 times" in failed.value.detail
    assert not failed.value.is_final


@pytest.mark.parametrize("api", EXACT)
@pytest.mark.parametrize("fault", sorted(WRONG))
def test_a_reply_that_must_not_be_believed_never_counts(api: str, fault: str) -> None:
    with FakeServer(faults={fault: 0.4}, fault_seed=3) as server:
        for seed in range(0, 400, 20):
            group = sample(server, api, 20, seed)
            assert [each.ids for each in group] == expected(20, seed)
        assert server.n_faults[fault] >= 8


def test_a_refused_prompt_is_final_and_quotes_the_server(server: FakeServer) -> None:
    server.refuse = lambda body: "this prompt is too odd"
    with pytest.raises(SamplingFailed, match="this prompt is too odd") as failed:
        sample(server, "vllm", 40)
    assert (failed.value.reason, failed.value.is_final) == ("refused", True)


def test_a_server_that_lost_its_model_ends_the_job_and_no_group(server: FakeServer) -> None:
    server.model = "another"
    with pytest.raises(SamplerError, match=r"404.*run the same command again when it is mended") as ended:
        sample(server, "vllm", 4)
    assert not isinstance(ended.value, SamplingFailed)


def test_attempts_used_up_fail_the_group_for_now() -> None:
    with FakeServer(faults={"503": 1.0}) as server, pytest.raises(SamplingFailed) as failed:
        sample(server, "vllm", 40)
    assert (failed.value.reason, failed.value.is_final) == ("http_503", False)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [([], "empty_prompt"), ([5, 32], "unknown_token"), ([5, -1], "unknown_token"), ([5] * 81, "prompt_too_long")],
)
def test_prompts_that_cannot_be_sampled_from(prompt: list[int], reason: str) -> None:
    sampler = ServedSampler(
        Client(["http://127.0.0.1:1"]), DIALECTS["vllm"], "m", SETTING, Probed(max_length=100), **KNOWN
    )
    assert sampler.reason(prompt, SETTING) == reason


def test_prompts_that_can() -> None:
    sampler = ServedSampler(Client(["http://127.0.0.1:1"]), DIALECTS["openai"], "m", SETTING, Probed(max_length=21))
    assert sampler.reason([5], SETTING) is None
    assert sampler.reason([{"role": "user", "content": "3 5"}], SETTING) is None
    assert sampler.reason([], SETTING) == "empty_prompt"
