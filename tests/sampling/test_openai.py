"""Plain OpenAI-compatible servers: text alone."""

from __future__ import annotations

from typing import Any

import pytest

from curate.errors import ContractError
from curate.sampling.dialect import Bad, Served
from curate.sampling.openai import messages, read, request
from served_replies import CHAT_ASK, openai


def outcomes(reply: Any) -> list[str]:
    return [result.reason if isinstance(result, Bad) else result.finish_reason for result in read(reply, CHAT_ASK)]


def test_only_options_of_the_interface_are_in_the_request() -> None:
    assert request(CHAT_ASK) == (
        "/v1/chat/completions",
        {
            "model": "policy",
            "messages": [{"role": "user", "content": "3 5"}],
            "n": 2,
            "seed": 100,
            "max_tokens": 4,
            "temperature": 0.7,
            "top_p": 0.9,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stream": False,
        },
    )


def test_a_good_reply_gives_text_without_ids_and_log_probs() -> None:
    assert read(openai(), CHAT_ASK) == [Served(None, None, "3+5=8", "stop"), Served(None, None, "5-3=", "length")]


def test_an_empty_text_is_an_answer() -> None:
    reply = openai()
    reply["choices"][0]["message"]["content"] = ""
    assert read(reply, CHAT_ASK)[0] == Served(None, None, "", "stop")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("message", None, "no_text"),
        ("message", {"content": None, "reasoning_content": "first"}, "no_text"),
        ("message", {"content": [{"type": "text"}]}, "no_text"),
        ("finish_reason", None, "no_finish_reason"),
        ("finish_reason", "abort", "aborted"),
        ("finish_reason", "tool_calls", "other"),
    ],
)
def test_a_choice_that_fails_a_check_is_bad_alone(field: str, value: object, reason: str) -> None:
    reply = openai()
    reply["choices"][0][field] = value
    assert outcomes(reply) == [reason, "length"]


def test_as_many_tokens_as_were_allowed_is_truncation_whatever_is_said() -> None:
    reply = openai()
    reply["usage"]["completion_tokens"] = 8
    reply["choices"][1]["finish_reason"] = "stop"
    assert outcomes(reply) == ["length", "length"]


def test_messages_of_a_text_and_of_a_chat_prompt() -> None:
    assert messages("3 5", "text") == [{"role": "user", "content": "3 5"}]
    assert messages('[{"content":"a","role":"system"}]', "chat") == [{"content": "a", "role": "system"}]


@pytest.mark.parametrize("prompt", ["3 5", "{}", "[]", "[3]", "[" * 100_000])
def test_a_chat_prompt_that_is_no_messages(prompt: str) -> None:
    with pytest.raises(ContractError, match="chat prompt"):
        messages(prompt, "chat")
