"""vLLM: ``POST /v1/completions`` with token ids, tried with 0.32."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from curate.sampling.choices import all_exact, by_index, exact
from curate.sampling.dialect import Ask, Bad, Dialect, Served, short

_FIELDS = itemgetter("index", "prompt_token_ids", "token_ids", "logprobs", "finish_reason")


def request(ask: Ask) -> tuple[str, dict[str, Any]]:
    """Return path and body. Every option is there: what is left out, the model's generation settings fill in silently."""
    return "/v1/completions", {
        "model": ask.model,
        "prompt": ask.prompt,
        "add_special_tokens": False,
        "n": ask.n,
        "seed": ask.seed,
        "max_tokens": ask.setting.max_new_tokens,
        "temperature": ask.setting.temperature,
        "top_p": ask.setting.top_p,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "logprobs": ask.n_logprobs,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "request_id": f"curate-{ask.seed}-{ask.n}",
        "stream": False,
    }


def read(reply: Any, ask: Ask) -> list[Served | Bad]:
    """Return a completion, or why there is none, for each index 0..n-1."""
    reply = reply if isinstance(reply, dict) else {"choices": reply}
    if whole := _read_whole(reply.get("choices"), ask):
        return whole
    usage = reply.get("usage")
    n_prompt = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    choices = by_index(reply.get("choices"), ask.n)
    return [choice if isinstance(choice, Bad) else _read_choice(choice, n_prompt, ask) for choice in choices]


def _read_whole(choices: Any, ask: Ask) -> list[Served | Bad] | None:
    """Return all choices at once where nothing about any of them is odd, as it hardly ever is; else null."""
    try:
        indices, prompts, ids, logprobs, said = zip(*map(_FIELDS, choices), strict=True)
        values = [each["token_logprobs"] for each in logprobs]
    except (KeyError, TypeError, ValueError):
        return None
    if indices != (*range(ask.n),) or set(map(type, indices)) != {int} or prompts.count(ask.prompt) != ask.n:
        return None
    return [*found] if (found := all_exact(ids, values, said, ask)) else None


def _read_choice(choice: dict[str, Any], n_prompt: object, ask: Ask) -> Served | Bad:
    if why := _prompt_reason(choice.get("prompt_token_ids"), n_prompt, ask):
        return why
    logprobs = choice.get("logprobs")
    values = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else logprobs
    return exact(choice.get("token_ids"), values, choice.get("finish_reason"), ask)


def _prompt_reason(echoed: object, n_prompt: object, ask: Ask) -> Bad | None:
    """Say where the prompt was read as another one; an old server echoes only how long it was."""
    if echoed is not None and echoed != ask.prompt:
        return Bad("wrong_prompt", f"the prompt's ids came back as {short(echoed)}, not {short(ask.prompt)}")
    if echoed is None and type(n_prompt) is int and n_prompt != len(ask.prompt):
        return Bad("wrong_prompt", f"the server read {n_prompt} prompt tokens, {len(ask.prompt)} were sent")
    return None


VLLM = Dialect("vllm", True, request, read)
