"""A source's values -> the fields of a Rollout, or a reason why the row cannot become a sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from curate.ids import canonical_json
from curate.importing.rollout import Rollout

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
# vLLM writes this where it has no log-prob: training on it would be training on noise.
MISSING_LOGPROB = -9999.0

FINISH_REASONS = {
    **dict.fromkeys(("stop", "eos", "eos_token", "stop_sequence", "end_turn"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_length", "truncated"), "length"),
    **dict.fromkeys(("abort", "aborted", "cancelled"), "abort"),
}


class BadValueError(ValueError):
    """A value that cannot be used; the message completes a sentence that starts with the field's name."""


def kind(value: object) -> str:
    """Name a value's type for a person."""
    if value is None:
        return "null"
    names: dict[type, str] = {str: "text", bool: "a truth value", list: "a list", dict: "an object", float: "a number"}
    return names.get(type(value), "a number" if isinstance(value, int) else f"a {type(value).__name__}")


def number(value: object) -> float:
    """Read a finite number; a truth value counts as 0 or 1; text, NaN and infinities are refused."""
    if not isinstance(value, int | float | Decimal):
        raise BadValueError(f"is {kind(value)}, not a number")
    try:
        result = float(value)
    except (OverflowError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise BadValueError("is NaN" if math.isnan(result) else "is infinite")
    return result


def integer(value: object, low: int = -INT64_MAX - 1, high: int = INT64_MAX) -> int:
    """Read a whole number in a range; 3.0 counts (pandas turns integer columns with nulls into floats)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValueError(f"is {kind(value)}, not a whole number")
    if not low <= value <= high:
        raise BadValueError(f"is outside {low}..{high}")
    return value


def truth(value: object) -> bool:
    """Read true or false, also as 1 or 0; a graded value such as 0.5 is neither."""
    if isinstance(value, bool | int | float | Decimal) and value in (0, 1):
        return bool(value)
    shown = value if isinstance(value, int | float) else kind(value)
    raise BadValueError(f"is {shown}, neither true nor false")


def text(value: object) -> str:
    """Read text as it is."""
    if isinstance(value, str):
        return value
    raise BadValueError(f"is {kind(value)}, not text")


def label(value: object) -> str:
    """Read a name or an answer: text as it is, a list of one text as that text, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise BadValueError(f"holds what JSON cannot: {error}") from None


def key(value: object) -> int | str:
    """Read what names a group or a step: text or a whole number."""
    return value if isinstance(value, str) else integer(value)


def messages(value: list[Any]) -> str:
    """Write chat messages as canonical JSON, so that one prompt is one text whatever file it came from.

    Null entries are left out: Parquet adds them where JSON has no key.
    """
    if not value or not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in value):
        raise BadValueError("is a list, but not of messages with role and content")
    present = [{name: part for name, part in message.items() if part is not None} for message in value]
    try:
        return canonical_json(present).decode()
    except TypeError as error:
        raise BadValueError(f"holds messages that JSON cannot: {error}") from None


def completion(value: object) -> str:
    """Read a completion: text, or a list of exactly one message, whose content is the text.

    Several messages are a conversation with tools: what the policy wrote and what it was told cannot be one text.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        raise BadValueError(f"is a conversation of {len(value)} messages, not one completion")
    return text(value)


def token_ids(value: object) -> NDArray[np.int32]:
    """Read token ids, shape (T,), each a whole number of at least 0."""
    ids = _array(value, "token ids", {int})
    if ids.size and (ids.dtype.kind != "i" or ids.min() < 0 or ids.max() > INT32_MAX):
        raise BadValueError(f"has entries outside 0..{INT32_MAX}: no token ids")
    return ids.astype(np.int32)


def logprobs(value: object) -> NDArray[np.float32]:
    """Read natural log-probs of the sampled tokens, shape (T,), each finite and at most 0."""
    values = _array(value, "log-probs", {int, float})
    if values.size and not values.max() <= 0:
        raise BadValueError("has an entry that is NaN or above 0")
    if values.size and values.min() <= MISSING_LOGPROB:
        raise BadValueError(f"has an entry of {values.min():g}: a server's mark for a missing log-prob")
    return values.astype(np.float32)


def mask(value: object) -> NDArray[np.bool_]:
    """Read a loss mask, shape (T,), of truth values or 0 and 1."""
    values = _array(value, "truth values", {bool, int})
    if not np.isin(values, (0, 1)).all():
        raise BadValueError("has entries that are neither true nor false")
    return values.astype(np.bool_)


def _array(value: object, what: str, types: set[type]) -> NDArray[Any]:
    if not isinstance(value, list):
        raise BadValueError(f"is {kind(value)}, not a list of {what}")
    # Before numpy sees it: one long text among many numbers would make it allocate both lengths multiplied.
    others = set(map(type, value)) - types
    if others:
        strange = next(entry for entry in value if type(entry) in others)
        raise BadValueError(f"has an entry that is {kind(strange)}: not a list of {what}")
    return np.asarray(value)


def _accuracy(value: object) -> bool:
    try:
        return truth(value)
    except BadValueError as error:
        raise BadValueError(f"{error}; to import without it: --format generic --map accuracy=") from None


def _temperature(value: object) -> float:
    result = number(value)
    if result < 0:
        raise BadValueError("is below 0")
    return result


def _top_p(value: object) -> float:
    result = number(value)
    if not 0 < result <= 1:
        raise BadValueError("is outside (0, 1]")
    return result


def _semantics(value: object) -> str:
    if value not in ("raw", "processed"):
        raise BadValueError("is neither raw nor processed")
    return str(value)


CONVERT: dict[str, Callable[[Any], Any]] = {
    "prompt": lambda value: messages(value) if isinstance(value, list) else text(value),
    "prompt_ids": token_ids,
    "prompt_id": label,
    "answer": label,
    "reference": label,
    "domain": label,
    "step": key,
    "sample_index": lambda value: integer(value, 0, INT32_MAX),
    "completion": completion,
    "completion_ids": token_ids,
    "logprobs": logprobs,
    "loss_mask": mask,
    "finish_reason": lambda value: FINISH_REASONS.get(text(value), "other"),
    "policy": label,
    "policy_version": label,
    "temperature": _temperature,
    "top_p": _top_p,
    "seed": integer,
    "logprob_semantics": _semantics,
    "hinted": truth,
    "reward": number,
    "accuracy": _accuracy,
    "advantage": number,
}


def converted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not null, each as its field's type; BadValueError names the first field that cannot be."""
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        try:
            if value is not None:
                fields[name] = CONVERT[name](value)
        except BadValueError as error:
            raise BadValueError(f"{name} {error}") from None
    return fields


def rollout(file: str, row: int, raw: Mapping[str, Any], group_key: object = None) -> Rollout:
    """Make a Rollout of a source's values, named by our fields; null and absent are the same.

    Log-probs and loss masks belong to token ids and must have their length; a text does not say which tokens were
    sampled. A sample with an accuracy and no reward gets the reward of its outcome, 1 or 0. Raises BadValueError with
    the reason where the row cannot become a sample.
    """
    fields = converted(raw)
    if "prompt" in fields:
        if isinstance(raw["prompt"], list):
            fields["prompt_format"] = "chat"
    elif "prompt_ids" not in fields:
        raise BadValueError("has no prompt")
    if "completion_ids" in fields:
        fields["token_exact"] = True
        _check_lengths(fields)
    elif "completion" not in fields:
        raise BadValueError("has no completion")
    elif "logprobs" in fields or "loss_mask" in fields:
        raise BadValueError("has logprobs or a loss_mask, but no completion_ids that they belong to")
    if "accuracy" in fields and "reward" not in fields:
        fields["reward"] = float(fields["accuracy"])
    return Rollout(file, row, group_key, **fields)


def _check_lengths(fields: Mapping[str, Any]) -> None:
    n = len(fields["completion_ids"])
    for name in ("logprobs", "loss_mask"):
        if name in fields and len(fields[name]) != n:
            raise BadValueError(f"{name} has {len(fields[name])} entries for {n} completion_ids")
