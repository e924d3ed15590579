"""Whatever a server sends: no exception, one result an index, and no completion that is not in the reply."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sampling.dialect import Ask, Bad, Served
from curate.sampling.served import DIALECTS
from served_replies import ASK, CHAT_ASK, openai, sglang, vllm

ASKS = {"vllm": ASK, "sglang": ASK, "openai": CHAT_ASK}
GOOD = {"vllm": vllm, "sglang": sglang, "openai": openai}
WORDS = ["choices", "index", "token_ids", "logprobs", "token_logprobs", "finish_reason", "meta_info", "output_ids"]
WORDS += ["output_token_logprobs", "message", "content", "usage", "prompt_tokens", "type", "prompt_token_ids", "id"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["stop", "", "abort", "x"])
JSON = st.recursive(
    LEAVES, lambda of: st.lists(of, max_size=5) | st.dictionaries(st.sampled_from(WORDS), of, max_size=6), max_leaves=25
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a reply."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in leaves(each, (*path, key)))]


def check(name: str, reply: Any) -> None:
    ask: Ask = ASKS[name]
    results = DIALECTS[name].read(reply, ask)
    assert len(results) == ask.n
    for result in results:
        if isinstance(result, Bad):
            assert result.reason.replace("_", "").isalpha()
            assert len(result.detail) < 1000
        elif name == "openai":
            assert isinstance(result.text, str)
            assert repr(result.text) in repr(reply)
        else:
            check_exact(result, ask)
            assert repr(result.ids) in repr(reply) or name == "sglang"


def check_exact(result: Served, ask: Ask) -> None:
    assert result.ids
    assert result.logprobs is not None
    assert 1 <= len(result.ids) == len(result.logprobs) <= ask.setting.max_new_tokens
    assert all(type(each) is int and 0 <= each < 32 for each in result.ids)
    assert all(-9999 < each <= 0 for each in result.logprobs)


@pytest.mark.parametrize("name", DIALECTS)
def test_any_json(name: str) -> None:
    @settings(max_examples=300, deadline=None)
    @given(JSON)
    def law(reply: Any) -> None:
        check(name, reply)

    law()


@pytest.mark.parametrize("name", DIALECTS)
def test_a_good_reply_with_one_value_replaced(name: str) -> None:
    make: Callable[[], Any] = GOOD[name]
    places = leaves(make())[1:]

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(places), JSON)
    def law(place: tuple[Any, ...], value: Any) -> None:
        reply = make()
        holder = reply
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = value
        before = deepcopy(reply)
        check(name, reply)
        assert repr(reply) == repr(before)

    law()


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_reading_a_reply_at_once_is_reading_it_choice_by_choice(data: st.DataObject) -> None:
    reply = vllm()
    values = LEAVES | st.sampled_from([0, 1, -1, 31, 32, -0.0, 1e-7, -9999.0, [], [1], [5, 6, 7], 2**31])
    for _ in range(data.draw(st.integers(0, 2))):
        *path, key = data.draw(st.sampled_from([path for path in leaves(reply["choices"]) if path]))
        place: Any = reply["choices"]
        for step in path:
            place = place[step]
        place[key] = data.draw(values)
        if not isinstance(reply["choices"], list):
            return
    at_once = repr(DIALECTS["vllm"].read(reply, ASK))
    with patch("curate.sampling.vllm.all_exact", lambda *_: None):
        assert repr(DIALECTS["vllm"].read(reply, ASK)) == at_once
