"""SGLang: ``POST /generate`` with token ids.

Fields as in sgl-project/sglang, ``srt/sampling/sampling_params.py`` and ``srt/managers/io_struct.py``. The seed acts only
on a server started with ``--enable-deterministic-inference``, and then all n children of a request share it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from curate.sampling.choices import exact
from curate.sampling.dialect import Ask, Bad, Dialect, Served, short


def request(ask: Ask) -> tuple[str, dict[str, Any]]:
    """Return path and body; the model is the one that is served, and needs no name.

    No request id: SGLang refuses one that it is still working on, and a request that timed out is sent again.
    """
    return "/generate", {
        "input_ids": ask.prompt,
        "sampling_params": {
            "n": ask.n,
            "sampling_seed": ask.seed,
            "max_new_tokens": ask.setting.max_new_tokens,
            "temperature": ask.setting.temperature,
            "top_p": ask.setting.top_p,
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
        "top_logprobs_num": ask.n_logprobs,
        "return_text_in_logprobs": False,
        "stream": False,
    }


def read(reply: Any, ask: Ask) -> list[Served | Bad]:
    """Return a completion, or why there is none, for each index 0..n-1: its place in the list, or an object for n = 1.

    A list of another length tells no indices: all are bad. Two completions with one id are copies: both are bad.
    """
    found = [reply] if isinstance(reply, dict) else reply
    if not isinstance(found, list):
        return [Bad("no_choices", f"the reply is {short(reply)}")] * ask.n
    if len(found) != ask.n:
        return [Bad("missing_choice", f"{len(found)} completions came, {ask.n} were asked")] * ask.n
    times = Counter(map(_id, found))
    twice = Bad("doubled_choice", "two completions of one request have the same id")
    return [twice if times[_id(each)] > 1 else _read_one(each, ask) for each in found]


def _id(one: Any) -> object:
    """Return the id of a completion; what has none is its own."""
    meta = one.get("meta_info") if isinstance(one, dict) else None
    name = meta.get("id") if isinstance(meta, dict) else None
    return name if isinstance(name, str) else id(one)


def _read_one(reply: object, ask: Ask) -> Served | Bad:
    meta = reply.get("meta_info") if isinstance(reply, dict) else None
    if not isinstance(reply, dict) or not isinstance(meta, dict):
        return Bad("no_choices", f"a completion has no meta_info: {short(reply)}")
    n_prompt = meta.get("prompt_tokens")
    if type(n_prompt) is int and n_prompt != len(ask.prompt):
        return Bad("wrong_prompt", f"the server read {n_prompt} prompt tokens, {len(ask.prompt)} were sent")
    try:
        rows = meta["output_token_logprobs"]
        logprobs, drawn = [row[0] for row in rows], [row[1] for row in rows]
    except (KeyError, TypeError, IndexError):
        return Bad("no_logprobs", f"output_token_logprobs is {short(meta.get('output_token_logprobs'))}")
    ids = reply.get("output_ids", drawn)
    if isinstance(ids, list) and len(ids) == len(drawn) and ids != drawn:
        return Bad("ids_differ", f"output_ids are {short(ids)}, the log-probs those of {short(drawn)}")
    finish = meta.get("finish_reason")
    return exact(ids, logprobs, finish.get("type") if isinstance(finish, dict) else finish, ask)


SGLANG = Dialect("sglang", True, request, read)
