"""Literal replies of two completions of the prompt [5, 6, 7], as each kind of server gives them, and what was asked."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from curate.sampling.completion import Setting
from curate.sampling.dialect import Ask

SETTING = Setting(temperature=0.7, top_p=0.9, max_new_tokens=4)
ASK = Ask([5, 6, 7], 2, 100, SETTING, "policy", 0, 32, frozenset({1}))
CHAT_ASK = Ask([{"role": "user", "content": "3 5"}], 2, 100, SETTING, "policy")

_VLLM = {
    "id": "cmpl-curate-100-2-0",
    "object": "text_completion",
    "model": "policy",
    "choices": [
        {
            "index": 0,
            "text": "ab",
            "logprobs": {"token_logprobs": [-0.5, -0.25, -0.125], "tokens": ["token_id:8", "token_id:9", "token_id:1"]},
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": [8, 9, 1],
            "prompt_token_ids": [5, 6, 7],
        },
        {
            "index": 1,
            "text": "cdef",
            "logprobs": {"token_logprobs": [-1.0, -2.0, 0.0, -3.0], "tokens": []},
            "finish_reason": "length",
            "stop_reason": None,
            "token_ids": [10, 11, 12, 13],
            "prompt_token_ids": [5, 6, 7],
        },
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10},
}

_SGLANG = [
    {
        "text": "ab",
        "output_ids": [8, 9, 1],
        "meta_info": {
            "id": "a1",
            "prompt_tokens": 3,
            "completion_tokens": 3,
            "finish_reason": {"type": "stop", "matched": 1},
            "output_token_logprobs": [[-0.5, 8, None], [-0.25, 9, None], [-0.125, 1, None]],
        },
    },
    {
        "text": "cdef",
        "output_ids": [10, 11, 12, 13],
        "meta_info": {
            "id": "a2",
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "finish_reason": {"type": "length", "length": 4},
            "output_token_logprobs": [[-1.0, 10, None], [-2.0, 11, None], [0.0, 12, None], [-3.0, 13, None]],
        },
    },
]

_OPENAI = {
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "3+5=8"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "5-3="}, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
}


def vllm() -> Any:
    """Return vLLM's reply."""
    return deepcopy(_VLLM)


def sglang() -> Any:
    """Return SGLang's reply."""
    return deepcopy(_SGLANG)


def openai() -> Any:
    """Return the reply of a server that speaks OpenAI's chat interface."""
    return deepcopy(_OPENAI)
