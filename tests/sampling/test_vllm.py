"""vLLM's requests, and its replies: good ones, and each kind of bad one."""

from __future__ import annotations

from typing import Any

import pytest

from curate.sampling.dialect import Bad, Served
from curate.sampling.vllm import read, request
from served_replies import ASK, vllm


def outcomes(reply: Any) -> list[str]:
    """Return for each index how it ended, or why it is bad."""
    return [result.reason if isinstance(result, Bad) else result.finish_reason for result in read(reply, ASK)]


def test_every_option_is_in_the_request() -> None:
    assert request(ASK) == (
        "/v1/completions",
        {
            "model": "policy",
            "prompt": [5, 6, 7],
            "add_special_tokens": False,
            "n": 2,
            "seed": 100,
            "max_tokens": 4,
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "logprobs": 0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "skip_special_tokens": False,
            "request_id": "curate-100-2",
            "stream": False,
        },
    )


def test_a_good_reply() -> None:
    assert read(vllm(), ASK) == [
        Served([8, 9, 1], [-0.5, -0.25, -0.125], None, "stop"),
        Served([10, 11, 12, 13], [-1.0, -2.0, 0.0, -3.0], None, "length"),
    ]


def test_choices_in_another_order_go_to_their_index() -> None:
    reply = vllm()
    reply["choices"].reverse()
    assert read(reply, ASK) == read(vllm(), ASK)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("prompt_token_ids", [5, 6, 8], "wrong_prompt"),
        ("prompt_token_ids", [5, 6], "wrong_prompt"),
        ("token_ids", None, "no_ids"),
        ("token_ids", "8 9 1", "no_ids"),
        ("token_ids", [], "no_tokens"),
        ("token_ids", [8, 9.0, 1], "bad_ids"),
        ("token_ids", [8, True, 1], "bad_ids"),
        ("token_ids", [8, "9", 1], "bad_ids"),
        ("token_ids", [8, -9, 1], "bad_ids"),
        ("token_ids", [8, 32, 1], "unknown_token"),
        ("token_ids", [8, 9], "lengths_differ"),
        ("token_ids", [8, 9, 10, 11, 12], "too_many_ids"),
        ("token_ids", [8, 1, 9], "past_its_end"),
        ("logprobs", None, "no_logprobs"),
        ("logprobs", {}, "no_logprobs"),
        ("logprobs", {"token_logprobs": None}, "no_logprobs"),
        ("logprobs", {"token_logprobs": []}, "lengths_differ"),
        ("logprobs", {"token_logprobs": [-0.5, -0.25]}, "lengths_differ"),
        ("logprobs", {"token_logprobs": [-0.5, None, -0.125]}, "bad_logprobs"),
        ("logprobs", {"token_logprobs": [-0.5, "low", -0.125]}, "bad_logprobs"),
        ("logprobs", {"token_logprobs": [-0.5, False, -0.125]}, "bad_logprobs"),
        ("logprobs", {"token_logprobs": [-0.5, -9999.0, -0.125]}, "clamped"),
        ("logprobs", {"token_logprobs": [-0.5, -3.4e38, -0.125]}, "clamped"),
        ("logprobs", {"token_logprobs": [-0.5, float("nan"), -0.125]}, "not_finite"),
        ("logprobs", {"token_logprobs": [float("nan"), -0.5, -0.125]}, "not_finite"),
        ("logprobs", {"token_logprobs": [-0.5, float("-inf"), -0.125]}, "not_finite"),
        ("logprobs", {"token_logprobs": [-0.5, float("inf"), -0.125]}, "not_finite"),
        ("logprobs", {"token_logprobs": [-0.5, 1e-3, -0.125]}, "positive"),
        ("logprobs", {"token_logprobs": [-0.5, 10**400, -0.125]}, "positive"),
        ("finish_reason", None, "no_finish_reason"),
        ("finish_reason", 3, "no_finish_reason"),
        ("finish_reason", "abort", "aborted"),
        ("index", 1, "missing_choice"),
    ],
)
def test_a_choice_that_fails_a_check_is_bad_alone(field: str, value: object, reason: str) -> None:
    reply = vllm()
    reply["choices"][0][field] = value
    assert outcomes(reply) == [reason, "doubled_choice" if field == "index" else "length"]


@pytest.mark.parametrize("index", [2, -1, None, "0", True, 0.0])
def test_an_index_that_was_not_asked_makes_every_choice_bad(index: object) -> None:
    reply = vllm()
    reply["choices"][1]["index"] = index
    assert outcomes(reply) == ["wrong_index", "wrong_index"]


@pytest.mark.parametrize("reply", [None, [], {}, "text", 3, {"choices": None}, {"choices": {}}, {"error": "no"}])
def test_a_reply_without_choices(reply: object) -> None:
    assert set(outcomes(reply)) <= {"no_choices", "missing_choice"}


def test_fewer_and_doubled_choices() -> None:
    reply = vllm()
    del reply["choices"][0]
    assert outcomes(reply) == ["missing_choice", "length"]
    reply["choices"] *= 2
    assert outcomes(reply) == ["missing_choice", "doubled_choice"]


@pytest.mark.parametrize(
    ("said", "ids", "reason"),
    [
        ("stop", [8, 9, 10, 11], "length"),
        ("length", [8, 9, 10, 1], "stop"),
        ("length", [8, 9], "length"),
        ("stop", [8, 9], "stop"),
        ("content_filter", [8, 9, 10, 11], "other"),
    ],
)
def test_truncation_is_told_by_the_ids(said: str, ids: list[int], reason: str) -> None:
    reply = vllm()
    reply["choices"][0] |= {"token_ids": ids, "logprobs": {"token_logprobs": [-1.0] * len(ids)}, "finish_reason": said}
    assert outcomes(reply)[0] == reason


def test_a_log_prob_above_0_by_rounding_becomes_0() -> None:
    reply = vllm()
    reply["choices"][0]["logprobs"]["token_logprobs"] = [1e-7, -0.25, 0]
    result = read(reply, ASK)[0]
    assert isinstance(result, Served)
    assert result.logprobs == [0.0, -0.25, 0.0]


def test_a_server_that_does_not_echo_the_prompt_must_have_read_as_many_tokens() -> None:
    reply = vllm()
    for choice in reply["choices"]:
        del choice["prompt_token_ids"]
    assert outcomes(reply) == ["stop", "length"]
    reply["usage"]["prompt_tokens"] = 4
    assert outcomes(reply) == ["wrong_prompt", "wrong_prompt"]


def test_a_detail_quotes_the_reply_in_a_few_words() -> None:
    reply = vllm()
    reply["choices"][0]["token_ids"] = ["x" * 10_000] * 10_000
    bad = read(reply, ASK)[0]
    assert isinstance(bad, Bad)
    assert len(bad.detail) < 400
