"""SGLang's requests, and its replies: an object or a list, good and bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from curate.sampling.dialect import Bad, Served
from curate.sampling.sglang import read, request
from served_replies import ASK, sglang


def outcomes(reply: Any, n: int = 2) -> list[str]:
    results = read(reply, replace(ASK, n=n))
    return [result.reason if isinstance(result, Bad) else result.finish_reason for result in results]


def test_every_option_is_in_the_request() -> None:
    assert request(ASK) == (
        "/generate",
        {
            "input_ids": [5, 6, 7],
            "sampling_params": {
                "n": 2,
                "sampling_seed": 100,
                "max_new_tokens": 4,
                "temperature": 0.7,
                "top_p": 0.9,
                "top_k": -1,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "min_new_tokens": 0,
                "ignore_eos": False,
                "skip_special_tokens": False,
            },
            "return_logprob": True,
            "logprob_start_len": -1,
            "top_logprobs_num": 0,
            "return_text_in_logprobs": False,
            "stream": False,
        },
    )


def test_a_good_reply() -> None:
    assert read(sglang(), ASK) == [
        Served([8, 9, 1], [-0.5, -0.25, -0.125], None, "stop"),
        Served([10, 11, 12, 13], [-1.0, -2.0, 0.0, -3.0], None, "length"),
    ]


def test_one_completion_is_an_object_or_a_list_of_one() -> None:
    assert outcomes(sglang()[0], 1) == ["stop"]
    assert outcomes(sglang()[:1], 1) == ["stop"]


def test_ids_may_come_with_the_log_probs_alone() -> None:
    reply = sglang()
    del reply[0]["output_ids"]
    assert read(reply, ASK) == read(sglang(), ASK)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("prompt_tokens", 4, "wrong_prompt"),
        ("finish_reason", None, "no_finish_reason"),
        ("finish_reason", {"type": "abort", "message": "killed"}, "aborted"),
        ("output_token_logprobs", None, "no_logprobs"),
        ("output_token_logprobs", [[-0.5]], "no_logprobs"),
        ("output_token_logprobs", [3], "no_logprobs"),
        ("output_token_logprobs", [], "lengths_differ"),
        ("output_token_logprobs", [[-0.5, 8, None], [-0.25, 9, None]], "lengths_differ"),
        ("output_token_logprobs", [[-0.5, 8, None], [-0.25, 10, None], [-0.125, 1, None]], "ids_differ"),
        ("output_token_logprobs", [[-0.5, 8, None], [None, 9, None], [-0.125, 1, None]], "bad_logprobs"),
        ("output_token_logprobs", [[-0.5, 8, None], [-3.4e38, 9, None], [-0.125, 1, None]], "clamped"),
    ],
)
def test_a_completion_that_fails_a_check_is_bad_alone(field: str, value: object, reason: str) -> None:
    reply = sglang()
    reply[0]["meta_info"][field] = value
    assert outcomes(reply) == [reason, "length"]


@pytest.mark.parametrize("reply", [None, "text", 3, [], [1], [{}, {}, {}]])
def test_a_reply_that_is_no_list_of_as_many_is_bad_as_a_whole(reply: object) -> None:
    assert set(outcomes(reply)) <= {"no_choices", "missing_choice"}


def test_one_object_for_two_could_be_either() -> None:
    assert outcomes(sglang()[0], 2) == ["missing_choice", "missing_choice"]


def test_completions_without_meta_info() -> None:
    assert outcomes([{"output_ids": [8]}, 5]) == ["no_choices", "no_choices"]


def test_two_completions_with_one_id_are_copies() -> None:
    reply = sglang()
    assert outcomes([reply[0], reply[0]]) == ["doubled_choice", "doubled_choice"]


def test_truncation_is_told_by_the_ids() -> None:
    reply = sglang()
    reply[1]["meta_info"]["finish_reason"] = {"type": "stop"}
    assert outcomes(reply) == ["stop", "length"]
