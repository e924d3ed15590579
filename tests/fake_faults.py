"""The ways in which the fake server's replies go wrong."""

from __future__ import annotations

from typing import Any

import orjson

BROKEN = frozenset(
    {"429", "429_retry_after", "500", "503", "reset", "stall", "drip", "truncated", "cut_off", "nan", "not_json"}
)
"""Seen by the client: no reply, or none that is JSON."""

WRONG = frozenset(
    {
        "wrong_ids",
        "missing_choices",
        "doubled_choices",
        "minus_9999",
        "null_logprob",
        "unequal_lengths",
        "hidden_truncation",
        "outside_vocabulary",
        "text_for_numbers",
    }
)
"""Valid JSON that must not be believed."""

FAULTS = BROKEN | WRONG


def spoil(fault: str, answer: Any, body: dict[str, Any]) -> bytes:
    """Return the bytes of an answer, spoilt."""
    if fault in WRONG:
        answer = _spoil_choices(fault, answer, body)
    data = orjson.dumps(answer)
    if fault == "truncated":
        return data[: len(data) // 2]
    if fault == "nan":
        return data.replace(b"-0.", b"NaN,0.", 1) if b"-0." in data else data.replace(b"-1.", b"NaN,1.", 1)
    if fault == "not_json":
        return b"<html><body>Bad gateway</body></html>"
    return data


def _spoil_choices(fault: str, answer: Any, body: dict[str, Any]) -> Any:
    is_sglang = isinstance(answer, list) or "choices" not in answer
    choices = (answer if isinstance(answer, list) else [answer]) if is_sglang else answer["choices"]
    if fault == "missing_choices":
        del choices[len(choices) // 2]
    elif fault == "doubled_choices":
        choices[-1 if len(choices) > 1 else len(choices) :] = [dict(choices[0])]
    elif fault == "wrong_ids" and not is_sglang:
        for holder in (answer, *choices):
            if holder.get("prompt_token_ids"):
                holder["prompt_token_ids"] = [*holder["prompt_token_ids"][:-1], 2]
    else:
        (_spoil_sglang if is_sglang else _spoil_openai)(fault, choices[0], body)
    return choices if isinstance(answer, list) or (is_sglang and len(choices) != 1) else answer


def _spoil_openai(fault: str, choice: dict[str, Any], body: dict[str, Any]) -> None:
    if fault == "hidden_truncation":
        most = body.get("max_tokens") or 16
        for column in _columns(choice):
            column[:] = (column * most)[:most]
        choice["finish_reason"] = "stop"
    elif fault in ("outside_vocabulary", "text_for_numbers"):
        if choice.get("token_ids"):
            choice["token_ids"] = [*choice["token_ids"][:-1], 10**9 if fault == "outside_vocabulary" else "12"]
        if fault == "text_for_numbers":
            _set_logprob(choice, "low")
    elif fault == "unequal_lengths":
        for column in _columns(choice)[1:]:
            del column[-1]
    else:
        _set_logprob(choice, -9999.0 if fault == "minus_9999" else None)


def _columns(choice: dict[str, Any]) -> list[list[Any]]:
    """Return the ids and the log-probs of a choice, as far as there are any; the ids first."""
    logprobs = choice.get("logprobs") or {}
    found = [choice.get("token_ids"), logprobs.get("token_logprobs"), logprobs.get("tokens"), logprobs.get("content")]
    return [column for column in found if column is not None]


def _set_logprob(choice: dict[str, Any], value: object) -> None:
    logprobs = choice.get("logprobs") or {}
    if logprobs.get("token_logprobs"):
        logprobs["token_logprobs"][-1] = value
    if logprobs.get("content"):
        logprobs["content"][-1]["logprob"] = value


def _spoil_sglang(fault: str, choice: dict[str, Any], body: dict[str, Any]) -> None:
    ids, meta = choice["output_ids"], choice["meta_info"]
    logprobs = meta.get("output_token_logprobs") or [[0.0, 0, None]]
    if fault == "hidden_truncation":
        most = body.get("sampling_params", {}).get("max_new_tokens", 128)
        ids[:], logprobs[:] = (ids * most)[:most], (logprobs * most)[:most]
        meta["finish_reason"] = {"type": "stop"}
    elif fault in ("outside_vocabulary", "text_for_numbers", "wrong_ids"):
        ids[-1] = {"outside_vocabulary": 10**9, "text_for_numbers": "12", "wrong_ids": ids[-1] + 1}[fault]
    elif fault == "unequal_lengths":
        del logprobs[-1]
    else:
        logprobs[-1][0] = -9999.0 if fault == "minus_9999" else None
