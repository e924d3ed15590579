"""The fake itself, as far as other tests lean on it."""

from __future__ import annotations

from typing import Any

import pytest

import fake_model
from fake_faults import FAULTS, spoil
from fake_server import FakeServer
from serving_case import PATH, body, with_client

SGLANG = {
    "input_ids": [5, 6, 7],
    "sampling_params": {"n": 3, "max_new_tokens": 8, "sampling_seed": 40},
    "return_logprob": True,
}
CHAT = {"model": "fake", "messages": [{"role": "user", "content": "3 5 8:64"}], "max_tokens": 8}


def ask(server: FakeServer, path: str, asked: dict[str, Any]) -> Any:
    return with_client([server.url], lambda client: client.post(path, asked, 1))


def test_choice_i_is_what_seed_plus_i_says_alone() -> None:
    with FakeServer() as server:
        together = ask(server, PATH, body(seed=40, n=3))["choices"]
        alone = [ask(server, PATH, body(seed=40 + i))["choices"][0] for i in range(3)]
        assert [choice["token_ids"] for choice in together] == [choice["token_ids"] for choice in alone]
        assert server.answered == {((5, 6, 7), 40 + i): 2 for i in range(3)}


def test_both_protocols_say_the_same() -> None:
    with FakeServer() as server:
        vllm, sglang = ask(server, PATH, body(seed=40, n=3))["choices"], ask(server, "/generate", SGLANG)
    assert [choice["token_ids"] for choice in vllm] == [choice["output_ids"] for choice in sglang]
    for ours, theirs in zip(vllm, sglang, strict=True):
        assert ours["logprobs"]["token_logprobs"] == [row[0] for row in theirs["meta_info"]["output_token_logprobs"]]
        assert ours["finish_reason"] == theirs["meta_info"]["finish_reason"]["type"]


def test_completions_end_by_themselves_or_at_their_bound() -> None:
    found = [fake_model.complete([5, 6, 7], seed, 8) for seed in range(50)]
    assert {ids[-1] == fake_model.EOS_ID for ids in found} == {True, False}
    assert {len(ids) for ids in found if ids[-1] != fake_model.EOS_ID} == {8}


def test_a_scripted_chat_gives_the_content() -> None:
    with FakeServer(chat=lambda asked: asked["messages"][0]["content"][::-1]) as server:
        assert ask(server, "/v1/chat/completions", CHAT)["choices"][0]["message"]["content"] == "46:8 5 3"


def test_the_same_faults_come_in_the_same_order() -> None:
    def faults(seed: int) -> list[str | None]:
        server = FakeServer(faults={"500": 0.3, "nan": 0.3}, fault_seed=seed)
        server.n_requests = 1
        return [server._fault() for _ in range(50)]

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)
    assert set(faults(1)) == {"500", "nan", None}


def test_the_spared_requests_come_through() -> None:
    with FakeServer(faults={"500": 1.0}, spared=2) as server:
        for _ in range(2):
            ask(server, PATH, body())
        assert not server.n_faults


@pytest.mark.parametrize(
    "fault", sorted(FAULTS - {"429", "429_retry_after", "500", "503", "reset", "stall", "drip", "cut_off"})
)
@pytest.mark.parametrize("path", [PATH, "/v1/chat/completions", "/generate"])
def test_a_spoilt_answer_is_another_answer(path: str, fault: str) -> None:
    asked = {PATH: body(n=2), "/generate": SGLANG}.get(
        path, CHAT | {"logprobs": True, "return_token_ids": True, "n": 2}
    )
    with FakeServer() as server:
        answer = ask(server, path, asked)
    assert spoil(fault, answer, asked) != spoil("drip", ask_again(path, asked), asked)


def ask_again(path: str, asked: dict[str, Any]) -> Any:
    with FakeServer() as server:
        return ask(server, path, asked)
