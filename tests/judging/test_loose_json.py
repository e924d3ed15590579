"""Objects in hostile replies: strict JSON and what models write instead, in linear time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging.loose_json import objects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('so {"a": 1} and {"a": 2}.', [{"a": 1}, {"a": 2}]),
        ('```json\n{"a": "b"}\n```', [{"a": "b"}]),
        ("{'a': 'it is', 'b': None}", [{"a": "it is", "b": None}]),
        ("{a: True, b: none,}", [{"a": True, "b": None}]),
        ('{"a": {"b": [1, -2.5e3, []]}}', [{"a": {"b": [1, -2500.0, []]}}]),
        ('{"a": "{\\"a\\": 2}"}', [{"a": '{"a": 2}'}]),
        ('{"a": "x\ny\\n\\u00e9\\ud800"}', [{"a": "x\ny\né\ufffd"}]),
        ("\\frac{1}{2} {x} {}", [{}]),
        ('{ {"a": 1}', [{"a": 1}]),
        ('{"a": 1', []),
        ('{"a": }', []),
        ('{"a" 1}', []),
        ('{"a": 1 2}', []),
        ("{,}", []),
        ("", []),
        ('{"a":' * 9 + "1" + "}" * 9, [{"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}]),
    ],
)
def test_objects(text: str, expected: list[dict[str, Any]]) -> None:
    assert objects(text) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), VALUES, max_size=4))
def test_what_json_writes_is_read_back(value: dict[str, Any]) -> None:
    assert objects(f"well: {json.dumps(value)}!") == [value]


PIECES = ['{"a":', "{'a':", "{a:", '"', "'", "\\", "[", "]", "{", "}", ",", ":", "1", "null", "-", "{}", '{"a": 1}']


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join))
def test_nothing_makes_it_fail(text: str) -> None:
    assert all(isinstance(each, dict) for each in objects(text))


@pytest.mark.parametrize(
    "piece",
    ['{"a":', '{"', "{'", "{", "{a", "[", '{"a":[', '\\"', '{"a":1,', '{"x":"\\', "{'k':'{\"k\":\"','", '{"a":"', "{}"],
)
def test_a_long_hostile_reply_is_read_in_linear_time(piece: str) -> None:
    assert len(objects(piece * (200_000 // len(piece)))) <= 100_000  # quadratic work would take minutes
