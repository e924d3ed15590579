"""Replies in the shapes of vLLM and SGLang, from ids and log-probs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

import fake_model

Choices = Sequence[tuple[list[int], list[float]]]


class Asked(NamedTuple):
    """One request, and what its reply needs to know of the server."""

    body: dict[str, Any]
    prompt: list[int]
    number: int
    model: str
    eos_id: int
    decode: Callable[[Sequence[int]], str]
    chat: Callable[[dict[str, Any]], str] | None


def completion(asked: Asked, choices: Choices) -> dict[str, Any]:
    """Return the reply of ``POST /v1/completions``."""
    body, prompt = asked.body, asked.prompt
    with_ids, with_logprobs = body.get("return_token_ids"), body.get("logprobs") is not None
    found = [
        {
            "index": index,
            "text": asked.decode(ids),
            "logprobs": _completion_logprobs(ids, logprobs) if with_logprobs else None,
            "finish_reason": _finish(ids, asked.eos_id),
            "stop_reason": None,
            "token_ids": ids if with_ids else None,
            "prompt_logprobs": _prompt_logprobs(prompt) if body.get("prompt_logprobs") is not None else None,
            "prompt_token_ids": prompt if with_ids else None,
        }
        for index, (ids, logprobs) in enumerate(choices)
    ]
    return _openai("cmpl", "text_completion", asked, found, choices)


def chat_completion(asked: Asked, choices: Choices) -> dict[str, Any]:
    """Return the reply of ``POST /v1/chat/completions``; scripted content comes without ids of its own."""
    body = asked.body
    with_ids, with_logprobs = body.get("return_token_ids"), body.get("logprobs")
    found = [
        {
            "index": index,
            "message": {"role": "assistant", "content": asked.chat(body) if asked.chat else asked.decode(ids)},
            "logprobs": {"content": _chat_logprobs(ids, logprobs)} if with_logprobs else None,
            "finish_reason": "stop" if asked.chat else _finish(ids, asked.eos_id),
            "stop_reason": None,
            "token_ids": ids if with_ids else None,
        }
        for index, (ids, logprobs) in enumerate(choices)
    ]
    whole = _openai("chatcmpl", "chat.completion", asked, found, choices)
    return whole | {"prompt_token_ids": asked.prompt if with_ids else None, "prompt_logprobs": None}


def generate(asked: Asked, choices: Choices) -> Any:
    """Return the reply of SGLang's ``POST /generate``: an object for one choice, a list for more."""
    found = [_generated(asked, index, ids, logprobs) for index, (ids, logprobs) in enumerate(choices)]
    return found if len(found) > 1 else found[0]


def _generated(asked: Asked, index: int, ids: list[int], logprobs: list[float]) -> dict[str, Any]:
    is_length = _finish(ids, asked.eos_id) == "length"
    meta: dict[str, Any] = {
        "id": f"fake-{asked.number}-{index}",
        "finish_reason": {"type": "length", "length": len(ids)} if is_length else {"type": "stop", "matched": ids[-1]},
        "prompt_tokens": len(asked.prompt),
        "completion_tokens": len(ids),
    }
    if asked.body.get("return_logprob"):
        meta["output_token_logprobs"] = [[p, each, None] for p, each in zip(logprobs, ids, strict=True)]
        start, prompt = asked.body.get("logprob_start_len", -1), asked.prompt
        scored = [None, *fake_model.logprobs(prompt[:1], prompt[1:])]
        pairs = [[p, each, None] for p, each in zip(scored, prompt, strict=True)]
        meta["input_token_logprobs"] = pairs[start:] if start >= 0 else []
    return {"text": asked.decode(ids), "output_ids": ids, "meta_info": meta}


def _openai(name: str, kind: str, asked: Asked, found: list[Any], choices: Choices) -> dict[str, Any]:
    n_prompt, n_new = len(asked.prompt), sum(len(ids) for ids, _ in choices)
    usage = {"prompt_tokens": n_prompt, "completion_tokens": n_new, "total_tokens": n_prompt + n_new}
    name = f"{name}-{asked.body.get('request_id', asked.number)}"
    return {"id": name, "object": kind, "created": 0, "model": asked.model, "choices": found, "usage": usage}


def _finish(ids: list[int], eos_id: int) -> str:
    return "stop" if ids and ids[-1] == eos_id else "length"


def prompt_ids(path: str, body: dict[str, Any]) -> list[int]:
    """Return the ids of a body's prompt; bytes where it is text."""
    if path == "/generate":
        found = body.get("input_ids", body.get("text"))
    elif path == "/v1/completions":
        found = body["prompt"]
    else:
        found = orjson.dumps(body["messages"]).decode()
    return list(found.encode()) if isinstance(found, str) else list(found)


def most_tokens(path: str, body: dict[str, Any]) -> int:
    """Return the most new tokens, by the defaults of the real servers."""
    if path == "/generate":
        return int(body.get("sampling_params", {}).get("max_new_tokens", 128))
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)


def _completion_logprobs(ids: list[int], logprobs: list[float]) -> dict[str, Any]:
    tokens = [f"token_id:{each}" for each in ids]
    return {"text_offset": [0] * len(ids), "token_logprobs": logprobs, "tokens": tokens, "top_logprobs": None}


def _chat_logprobs(ids: list[int], logprobs: list[float]) -> list[dict[str, Any]]:
    return [
        {"token": f"token_id:{each}", "logprob": value, "bytes": None, "top_logprobs": []}
        for each, value in zip(ids, logprobs, strict=True)
    ]


def _prompt_logprobs(prompt: list[int]) -> list[Any]:
    scored = fake_model.logprobs(prompt[:1], prompt[1:])
    found = [
        {str(each): {"logprob": value, "rank": 1, "decoded_token": str(each)}}
        for each, value in zip(prompt[1:], scored, strict=True)
    ]
    return [None, *found]
