from __future__ import annotations

import contextlib
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.importing.convert import CONVERT, BadValueError, rollout


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("reward", 1, 1.0),
        ("reward", True, 1.0),
        ("reward", False, 0.0),
        ("reward", -0.5, -0.5),
        ("reward", Decimal("0.25"), 0.25),
        ("seed", 3.0, 3),
        ("step", "warm-up", "warm-up"),
        ("accuracy", 1.0, True),
        ("accuracy", 0, False),
        ("answer", 42, "42"),
        ("answer", ["42"], "42"),
        ("answer", ["42", "6*7"], '["42","6*7"]'),
        ("answer", {"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ("finish_reason", "stop", "stop"),
        ("finish_reason", "eos", "stop"),
        ("finish_reason", "max_tokens", "length"),
        ("finish_reason", "content_filter", "other"),
        ("completion", "", ""),
        ("completion", [{"role": "assistant", "content": "4"}], "4"),
        ("prompt", [{"role": "user", "content": "hi", "name": None}], '[{"content":"hi","role":"user"}]'),
    ],
)
def test_values_are_read_as_the_field_means_them(field: str, value: Any, expected: Any) -> None:
    assert CONVERT[field](value) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("reward", "0.5", "is text, not a number"),
        ("reward", [1.0], "is a list, not a number"),
        ("reward", math.nan, "is NaN"),
        ("reward", math.inf, "is infinite"),
        ("reward", Decimal("sNaN"), "is NaN"),
        ("answer", [2**64], "holds what JSON cannot"),
        ("accuracy", 0.5, "is 0.5, neither true nor false; to import without it: --format generic --map accuracy="),
        ("accuracy", "yes", "is text, neither true nor false"),
        ("seed", 2**63, "is outside"),
        ("seed", True, "is a truth value, not a whole number"),
        ("sample_index", -1, "is outside 0"),
        ("temperature", -1.0, "is below 0"),
        ("top_p", 0.0, r"is outside \(0, 1\]"),
        ("logprob_semantics", "cooked", "is neither raw nor processed"),
        ("completion", 7, "is a number, not text"),
        ("completion", [{"role": "assistant", "content": None}], "is null, not text"),
        ("completion", [{"role": "assistant"}, {"role": "tool"}], "is a conversation of 2 messages"),
        ("completion", ["a", "b"], "is a list, not text"),
        ("completion", [], "is a list, not text"),
        ("prompt", [], "not of messages"),
        ("prompt", ["hi"], "not of messages"),
        ("completion_ids", [1, -1], "outside 0..2147483647: no token ids"),
        ("completion_ids", [1.5], "has an entry that is a number: not a list of token ids"),
        ("completion_ids", [1, None], "has an entry that is null: not a list of token ids"),
        ("completion_ids", [2**63, 1], "no token ids"),
        ("completion_ids", [[1], [2, 3]], "has an entry that is a list"),
        ("completion_ids", "1 2", "is text, not a list of token ids"),
        ("logprobs", [-0.5, 0.1], "NaN or above 0"),
        ("logprobs", [-0.5, math.nan], "NaN or above 0"),
        ("logprobs", [-0.5, None], "has an entry that is null"),
        ("logprobs", [*range(-100_000, 0), "x" * 100_000], "has an entry that is text"),
        ("logprobs", [-0.5, -9999.0], "mark for a missing log-prob"),
        ("logprobs", [-0.5, -math.inf], "mark for a missing log-prob"),
        ("loss_mask", [0, 2], "neither true nor false"),
    ],
)
def test_what_cannot_be_used_says_why(field: str, value: Any, reason: str) -> None:
    with pytest.raises(BadValueError, match=reason):
        CONVERT[field](value)


def test_token_columns_become_small_arrays() -> None:
    sample = rollout("f", 1, {"prompt": "p", "completion_ids": [5, 6], "logprobs": [-0.5, 0], "loss_mask": [1, 0]})
    assert sample.completion_ids is not None
    assert sample.completion_ids.dtype == np.int32
    assert sample.logprobs is not None
    assert sample.logprobs.dtype == np.float32
    assert sample.loss_mask is not None
    assert sample.loss_mask.tolist() == [True, False]
    assert sample.token_exact


def test_an_empty_completion_has_empty_lists() -> None:
    sample = rollout("f", 1, {"prompt": "p", "completion_ids": [], "logprobs": []})
    assert sample.completion_ids is not None
    assert sample.completion_ids.tolist() == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"completion": "c"}, "has no prompt"),
        ({"prompt": "p"}, "has no completion"),
        ({"prompt": "p", "completion": None}, "has no completion"),
        ({"prompt": "p", "completion_ids": [1, 2], "logprobs": [-1.0]}, "logprobs has 1 entries for 2 completion_ids"),
        ({"prompt": "p", "completion": "c", "logprobs": [-1.0]}, "no completion_ids that they belong to"),
        ({"prompt": "p", "completion": "c", "reward": "good"}, "reward is text, not a number"),
    ],
)
def test_a_row_that_cannot_be_a_sample_says_why(raw: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadValueError, match=reason):
        rollout("f", 1, raw)


def test_an_accuracy_without_reward_gives_the_reward_of_its_outcome() -> None:
    assert rollout("f", 1, {"prompt": "p", "completion": "c", "accuracy": True}).reward == 1.0
    assert rollout("f", 1, {"prompt": "p", "completion": "c", "accuracy": False, "reward": 0.3}).reward == 0.3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(CONVERT)), json_values)
def test_no_value_escapes_as_another_error(field: str, value: Any) -> None:
    with contextlib.suppress(BadValueError):
        rollout("f", 1, {"prompt": "p", "completion": "c", field: value})
