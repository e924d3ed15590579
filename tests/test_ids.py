"""Golden keys: worked once with hashlib and json; a change here breaks every dataset on disk."""

from __future__ import annotations

import pytest

from curate.ids import canonical_json, group_id, prompt_id


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (["gsm8k", {"row": 1, "file": "a.jsonl"}], -5313437037519965538),
        (["runs", {"prompt": "08ff90d5ded07c68", "step": 3}], 5453591724982549017),
        ("x", 7885652563831692748),
        (["é", 7], 393117235640297639),
    ],
)
def test_group_ids_never_change(key: object, expected: int) -> None:
    assert group_id(key) == expected


@pytest.mark.parametrize(
    ("prompt", "prompt_format", "expected"),
    [
        ("3 5 8:64>", "text", "e2a9e8994a3000f8"),
        ([1, 2, 3], "text", "ec16d72fef0c8990"),
        ('[{"content":"hi","role":"user"}]', "chat", "a7070fe1b20b5edc"),
        ("", "text", "ff5557a9198afc92"),
        ("Größe", "text", "1614462a47efa45d"),
    ],
)
def test_prompt_ids_never_change(prompt: str | list[int], prompt_format: str, expected: str) -> None:
    assert prompt_id(prompt, prompt_format) == expected


def test_the_order_of_keys_does_not_count() -> None:
    assert group_id({"a": 1, "b": [2, "c"]}) == group_id({"b": [2, "c"], "a": 1})


def test_text_and_chat_of_the_same_characters_are_two_prompts() -> None:
    assert prompt_id("hi", "text") != prompt_id("hi", "chat")


def test_canonical_json_has_no_spaces_and_keeps_unicode() -> None:
    assert canonical_json({"b": 1.5, "a": "é"}) == '{"a":"é","b":1.5}'.encode()


@pytest.mark.parametrize("value", [b"bytes", 2**64, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        group_id(value)
