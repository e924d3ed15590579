"""Borders in tokens: exact where a token ends there, before the token where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from curate.sampling.borders import random_borders, token_borders

WORDS = ["", "a=1", "\n", " b", "=2", ";\nc", "é", "<end>"]


def decode(ids: Sequence[int]) -> str:
    """Join words; 100 and 101 are the two bytes of one character, and <end> is special and says nothing."""
    parts = b"".join(
        bytes([0xC3]) if i == 100 else bytes([0xA9]) if i == 101 else WORDS[i].replace("<end>", "").encode()
        for i in ids
    )
    return parts.decode(errors="replace")


def test_a_border_where_a_token_ends_is_there() -> None:
    assert decode([1, 2, 4]) == "a=1\n=2"
    assert token_borders([1, 2, 4], [4], decode) == [2]


def test_a_border_inside_a_token_moves_to_its_start() -> None:
    # "a=1" "\n" " b" "=2": the step "b=2" starts after the blank of the third token, which it takes with it
    assert decode([1, 2, 3, 4]).index("b") == 5
    assert token_borders([1, 2, 3, 4], [5], decode) == [2]
    # "a=1" ";\nc" "=2": the token holds the end of one step and the start of the next
    assert token_borders([1, 5, 4], [5], decode) == [1]
    assert token_borders([1, 5, 4], [2], decode) == [0]


def test_tokens_that_spell_one_character_stay_together() -> None:
    assert decode([1, 100, 101, 4]) == "a=1é=2"
    assert token_borders([1, 100, 101, 4], [3, 4], decode) == [1, 3]


def test_special_tokens_belong_to_what_follows() -> None:
    assert token_borders([1, 2, 7, 4, 7], [4, 5], decode) == [2, 2]


def test_no_offsets_give_no_borders() -> None:
    assert token_borders([1], [], decode) == token_borders([], [], decode) == []


def test_random_borders_are_inner_places_in_order() -> None:
    assert random_borders(6, 9, 0) == [1, 2, 3, 4, 5]
    assert random_borders(1, 3, 0) == random_borders(0, 3, 0) == []
    found = random_borders(1000, 20, 7)
    assert found == sorted(set(found)) == random_borders(1000, 20, 7) != random_borders(1000, 20, 8)
    assert len(found) == 20
    assert found[0] >= 1
    assert found[-1] <= 999
