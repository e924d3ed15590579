"""The estimate is high for text, and linear."""

from __future__ import annotations

import pytest

from curate.judging.tokens import estimate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("add", 1),
        ("multiply", 3),
        ("a b", 2),
        ("12+3=15", 7),
        ("a    b", 3),
        ("é", 2),
        ("数学", 6),
        ("\n\n", 2),
    ],
)
def test_estimate(text: str, expected: int) -> None:
    assert estimate(text) == expected


def test_a_megabyte() -> None:
    assert estimate("a" * 999_999) == 333_333
    assert estimate("{" * 1_000_000) == 1_000_000
