"""The model's name and its longest context, as the server lists them."""

from __future__ import annotations

from typing import Any

from curate.errors import SamplerError, did_you_mean
from curate.sampling.completion import Setting
from curate.sampling.dialect import Prompt
from curate.sampling.hints import after_failure, after_refusal
from curate.serving.client import Client
from curate.serving.failures import Failed, Refused

TOKENS = 32


async def longest(client: Client, model: str) -> tuple[int | None, str | None]:
    """Return the longest context of a model, null where the server does not say, and a note where one lists no models.

    Raises SamplerError where the server has no such model.
    """
    try:
        replies = await client.get("/v1/models")
    except Refused as error:
        if error.status in (401, 403):
            raise SamplerError(f"{error}. {after_refusal(error, '')}") from error
        return None, _unlisted(f"HTTP {error.status}")
    except Failed as error:
        raise SamplerError(f"the server does not list its models: {error}. {after_failure(error)}") from error
    lengths = [_length_of(model, reply) for reply in replies]
    note = None if all(map(_cards, replies)) else _unlisted("an empty list")
    return min((length for length in lengths if length is not None), default=None), note


def _unlisted(why: str) -> str:
    return f"the server lists no models ({why}): name and context length are not checked"


def _cards(reply: Any) -> list[dict[str, Any]]:
    cards = reply.get("data") if isinstance(reply, dict) else None
    return [card for card in cards if isinstance(card, dict)] if isinstance(cards, list) else []


def _length_of(model: str, reply: Any) -> int | None:
    named = _cards(reply)
    names = [str(card.get("id"))[:200] for card in named]
    if names and model not in names:
        raise SamplerError(
            f"the server has no model {model!r}{did_you_mean(model, names)}: it has {', '.join(names[:20])}; "
            "give one of these as --model"
        )
    lengths = [card.get("max_model_len") for card in named if card.get("id") == model]
    return next((length for length in lengths if type(length) is int and length > 0), None)


def room(prompt: Prompt, setting: Setting, max_length: int | None) -> int:
    """Return how many tokens the probe asks for; SamplerError where no prompt of the job can fit the context."""
    n_prompt = len(prompt) if prompt and isinstance(prompt[0], int) else 1
    if max_length is not None and n_prompt + setting.max_new_tokens > max_length:
        raise SamplerError(
            f"the server's context is {max_length} tokens, too few for a prompt of {n_prompt} and {setting.max_new_tokens} "
            "new ones: lower --max-new-tokens, or start the server with a longer context (vLLM: --max-model-len)"
        )
    return min(setting.max_new_tokens, TOKENS)
