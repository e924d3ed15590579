"""Reading a server's log-probs of given tokens: what is sent, what is taken, and every reply that is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from curate.errors import ServerError
from curate.likelihood.served import ReplyError, ServedScorer
from curate.serving import Refused

PROMPT, COMPLETION = [5, 6, 7], [8, 9, 1]


class Answering:
    """Stands for a client: gives the replies in turn, the last one for good, and keeps what was sent."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[str, dict[str, Any], int]] = []

    async def post(self, path: str, body: dict[str, Any], n_tokens: int) -> Any:
        self.sent.append((path, body, n_tokens))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


def vllm(*entries: Any) -> dict[str, Any]:
    """A vLLM reply to PROMPT and COMPLETION whose last entries are these."""
    known = [None, {"6": {"logprob": -4.0}}, {"7": {"logprob": -5.0}}]
    return {"choices": [{"index": 0, "text": "x", "prompt_logprobs": [*known, *entries]}]}


def entry(token: int, logprob: Any) -> dict[str, Any]:
    return {str(token): {"logprob": logprob, "rank": 1, "decoded_token": "x"}}


def sglang(*entries: Any) -> dict[str, Any]:
    """A SGLang reply: the last prompt token without a log-prob, then these."""
    return {"text": "x", "output_ids": [3], "meta_info": {"input_token_logprobs": [[None, 7, None], *entries]}}


GOOD = vllm(entry(8, -0.5), entry(9, -1.5), entry(1, -0.25))


def scored(client: Any, api: str = "vllm") -> list[float]:
    return asyncio.run(ServedScorer(client, api, "m").score(PROMPT, COMPLETION))


def test_vllm_is_asked_for_the_log_probs_of_the_prompt() -> None:
    client = Answering(GOOD)
    assert scored(client) == [-0.5, -1.5, -0.25]
    [(path, body, n_tokens)] = client.sent
    assert (path, n_tokens) == ("/v1/completions", 7)
    assert body == {
        "model": "m",
        "prompt": [5, 6, 7, 8, 9, 1],
        "add_special_tokens": False,
        "prompt_logprobs": 0,
        "max_tokens": 1,
        "temperature": 1.0,
        "top_p": 1.0,
    }


def test_sglang_is_asked_from_the_last_prompt_token_on() -> None:
    client = Answering(sglang([-0.5, 8, None], [-1.5, 9, None], [-0.25, 1, None]))
    assert scored(client, "sglang") == [-0.5, -1.5, -0.25]
    [(path, body, n_tokens)] = client.sent
    assert (path, n_tokens) == ("/generate", 7)
    assert body == {
        "input_ids": [5, 6, 7, 8, 9, 1],
        "sampling_params": {"max_new_tokens": 1, "temperature": 1.0, "top_p": 1.0},
        "return_logprob": True,
        "logprob_start_len": 2,
    }


def test_sglang_may_answer_in_a_list_and_writes_0_for_the_last_id_of_the_vocabulary() -> None:
    client = Answering([sglang([-0.5, 8, None], [-1.5, 0, None], [-0.25, 1, None])])
    assert scored(client, "sglang") == [-0.5, -1.5, -0.25]


def test_the_sent_token_is_found_among_others() -> None:
    both = {"4": {"logprob": -0.1}, "8": {"logprob": -2.5}}
    assert scored(Answering(vllm(both, entry(9, -1.5), entry(1, -0.25)))) == [-2.5, -1.5, -0.25]


def test_rounding_above_zero_is_zero() -> None:
    assert scored(Answering(vllm(entry(8, 2e-7), entry(9, -0.0), entry(1, 0)))) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (vllm(entry(8, -0.5), entry(9, -1.5)), "wrong_length"),
        (vllm(*(entry(token, -1.0) for token in (8, 9, 1, 1))), "wrong_length"),
        (vllm(entry(8, -0.5), entry(4, -1.5), entry(1, -0.25)), "wrong_ids"),
        (vllm(entry(8, -0.5), entry(9, 3.0), entry(1, -0.25)), "above_zero"),
        (vllm(entry(8, -0.5), entry(9, -9999.0), entry(1, -0.25)), "clamped"),
        (vllm(entry(8, -0.5), entry(9, float("nan")), entry(1, -0.25)), "not_finite"),
        (vllm(entry(8, -0.5), entry(9, float("-inf")), entry(1, -0.25)), "not_finite"),
        (vllm(entry(8, -0.5), entry(9, True), entry(1, -0.25)), "not_finite"),
        (vllm(entry(8, -0.5), entry(9, None), entry(1, -0.25)), "no_logprobs"),
        (vllm(entry(8, -0.5), entry(9, "-1"), entry(1, -0.25)), "no_logprobs"),
        (vllm(entry(8, -0.5), None, entry(1, -0.25)), "no_logprobs"),
        (vllm(entry(8, -0.5), {}, entry(1, -0.25)), "no_logprobs"),
        ({"choices": [{"prompt_logprobs": None}]}, "no_logprobs"),
        ({"choices": []}, "no_logprobs"),
        ({"error": "no"}, "no_logprobs"),
        ([], "no_logprobs"),
        (None, "no_logprobs"),
        ("ok", "no_logprobs"),
    ],
)
def test_a_wrong_reply_is_asked_for_again_and_then_refused(reply: Any, reason: str) -> None:
    client = Answering(reply)
    with pytest.raises(ReplyError) as error:
        scored(client)
    assert error.value.reason == reason
    assert len(client.sent) == 3
    assert scored(Answering(reply, reply, GOOD)) == [-0.5, -1.5, -0.25]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (sglang([-0.5, 8, None], [-1.5, 9, None]), "wrong_length"),
        (sglang([-0.5, 8, None], [-1.5, 4, None], [-0.25, 1, None]), "wrong_ids"),
        (sglang([-0.5, 8, None], [-1.5], [-0.25, 1, None]), "no_logprobs"),
        ({"meta_info": {}}, "no_logprobs"),
    ],
)
def test_a_wrong_reply_of_sglang(reply: Any, reason: str) -> None:
    with pytest.raises(ReplyError) as error:
        scored(Answering(reply), "sglang")
    assert error.value.reason == reason


def test_the_probe_says_what_the_server_answered() -> None:
    refusal = Refused(404, '{"message":"The model `m` does not exist."}', "http://127.0.0.1:1/v1/completions")
    with pytest.raises(ServerError, match=r"HTTP 404.*The model `m` does not exist.*--model PATH"):
        asyncio.run(ServedScorer(Answering(refusal), "vllm", "m").probe(PROMPT, COMPLETION))
    with pytest.raises(ServerError, match=r"no log-probs of the prompt's tokens in {'text': 'hi'}"):
        asyncio.run(ServedScorer(Answering({"text": "hi"}), "vllm", "m").probe(PROMPT, COMPLETION))
    asyncio.run(ServedScorer(Answering(GOOD), "vllm", "m").probe(PROMPT, COMPLETION))
