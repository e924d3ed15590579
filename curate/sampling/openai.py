"""Any OpenAI-compatible server: ``POST /v1/chat/completions``, text alone.

No token ids, so no log-probs either: what they would belong to is unknown. Only options of the OpenAI interface are
sent, as strict servers refuse others; a top_k or a penalty that the server sets by itself stays unseen.
"""

from __future__ import annotations

import json
from typing import Any

from curate.errors import ContractError
from curate.sampling.choices import by_index, finish_reason
from curate.sampling.dialect import Ask, Bad, Dialect, Finish, Served, short


def messages(prompt: str, prompt_format: str) -> list[dict[str, Any]]:
    """Return the messages of a prompt: a ``chat`` prompt is JSON messages, a ``text`` prompt one message of the user.

    Raises ContractError where a chat prompt cannot be read.
    """
    if prompt_format != "chat":
        return [{"role": "user", "content": prompt}]
    try:
        found = json.loads(prompt)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"a chat prompt is not JSON: {error}") from error
    if not isinstance(found, list) or not found or not all(isinstance(turn, dict) for turn in found):
        raise ContractError("a chat prompt is not a JSON list of messages: import its samples again")
    return found


def request(ask: Ask) -> tuple[str, dict[str, Any]]:
    """Return path and body."""
    return "/v1/chat/completions", {
        "model": ask.model,
        "messages": ask.prompt,
        "n": ask.n,
        "seed": ask.seed,
        "max_tokens": ask.setting.max_new_tokens,
        "temperature": ask.setting.temperature,
        "top_p": ask.setting.top_p,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stream": False,
    }


def read(reply: Any, ask: Ask) -> list[Served | Bad]:
    """Return a text, or why there is none, for each index 0..n-1."""
    reply = reply if isinstance(reply, dict) else {"choices": reply}
    is_cut = _all_cut(reply.get("usage"), ask)
    choices = by_index(reply.get("choices"), ask.n)
    return [choice if isinstance(choice, Bad) else _read_choice(choice, is_cut) for choice in choices]


def _read_choice(choice: dict[str, Any], is_cut: bool) -> Served | Bad:
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        return Bad("no_text", f"the message is {short(message)}")
    finish: Finish | Bad = finish_reason(choice.get("finish_reason"))
    if isinstance(finish, Bad):
        return finish
    return Served(None, None, text, "length" if is_cut and finish == "stop" else finish)


def _all_cut(usage: object, ask: Ask) -> bool:
    """Return whether the tokens of all completions together are as many as were allowed, whatever the server says."""
    n_tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return type(n_tokens) is int and n_tokens >= ask.n * ask.setting.max_new_tokens


OPENAI = Dialect("openai", False, request, read)
