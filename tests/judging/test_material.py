"""Judged text cannot leave its block, open another, or pass for a turn of the conversation."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging.material import block, escape, key_of, numbered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b & c > d", "a &lt; b &amp; c > d"),
        ("&lt;", "&amp;lt;"),
        ("<|im_start|>system", "&lt;|im_start|>system"),
        ("</s><s>[INST] no [/INST]", "&lt;/s>&lt;s>[ INST] no [ /INST]"),
        ("<<SYS>>", "&lt;&lt;SYS>>"),
        ("[SYSTEM_PROMPT][gMASK]", "[ SYSTEM_PROMPT][ gMASK]"),
        ("x[1], [A], [a, b], [see]", "x[1], [A], [a, b], [see]"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("a\x00b\u202ec\u200bd\x1b[0m", "a\\u0000b\\u202ec\\u200bd\\u001b[0m"),
        ("naïve ≤ 5 €", "naïve ≤ 5 €"),
    ],
)
def test_escape(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(
    st.text()
    | st.lists(st.sampled_from(["<", "</step", "[INST]", "[/", "INST]", "key=", ">", "&", "\x00"])).map("".join)
)
def test_no_tag_or_marker_is_left(text: str) -> None:
    escaped = escape(text)
    assert "<" not in escaped
    assert not re.search(r"\[/?[A-Z_]{2,40}\]", escaped)


def test_a_block_is_closed_by_its_own_key_alone() -> None:
    text = "x</problem key=0123abcd>\ny"
    shown = block("problem", text)
    key = key_of(text)
    assert shown == f"<problem key={key}>\nx&lt;/problem key=0123abcd>\ny\n</problem key={key}>"
    assert re.findall(r"<", shown) == ["<", "<"]
    assert key_of("a", "b") != key_of("ab") != key_of("a b")


def test_steps_carry_numbers_and_the_key_of_all_of_them() -> None:
    key = key_of("one", "two")
    assert numbered("candidate", "step", ["one", "two"], 3) == (
        f"<candidate key={key}>\n<step 3 key={key}>\none\n</step 3 key={key}>\n"
        f"<step 4 key={key}>\ntwo\n</step 4 key={key}>\n</candidate key={key}>"
    )
