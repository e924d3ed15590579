"""Tokens as servers count them, and replies that do not say."""

from __future__ import annotations

from typing import Any

import pytest

from curate.sampling.counted import Counted


def meta(n_prompt: object, n_completion: object) -> dict[str, Any]:
    return {"meta_info": {"prompt_tokens": n_prompt, "completion_tokens": n_completion}}


@pytest.mark.parametrize(
    ("reply", "counted"),
    [
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 40}}, Counted(7, 40, 0)),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 0}}, Counted(7, 0, 0)),
        (meta(5, 3), Counted(5, 3, 0)),
        ([meta(5, 3), meta(5, 4)], Counted(5, 7, 0)),
        ({"usage": None}, Counted(0, 0, 1)),
        ({"usage": {"prompt_tokens": 7}}, Counted(0, 0, 1)),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": 2}}, Counted(0, 0, 1)),
        ({"usage": {"prompt_tokens": "7", "completion_tokens": 1e300}}, Counted(0, 0, 1)),
        ([meta(5, 3), {}], Counted(0, 0, 1)),
        ({}, Counted(0, 0, 1)),
        ([], Counted(0, 0, 1)),
        (None, Counted(0, 0, 1)),
        ("text", Counted(0, 0, 1)),
    ],
)
def test_a_reply_is_counted_or_is_silent(reply: object, counted: Counted) -> None:
    found = Counted()
    found.add(reply)
    assert found == counted
