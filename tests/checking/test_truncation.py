"""Samples at the limit, flagged and not."""

from __future__ import annotations

import polars as pl

from curate.checking import Finding
from curate.checking.truncation import unflagged_truncation

ENDED = [(n, 1, "stop") for n in range(3, 15)]  # twelve samples that end with token 1


def find(rows: list[tuple[int | None, int | None, str | None]], limit: int | None = 20) -> Finding | None:
    frame = pl.DataFrame(rows, schema=["n", "last", "finish_reason"], orient="row").with_row_index("sample_index")
    frame = frame.with_columns(pl.lit(5).alias("group_id"), pl.col("n").cast(pl.Int64), pl.col("last").cast(pl.Int64))
    return unflagged_truncation(frame.lazy(), limit)


def test_a_sample_at_the_limit_that_does_not_end_was_cut() -> None:
    found = find([*ENDED, (20, 9, "stop"), (20, 1, "stop"), (20, 8, "length")])
    assert found is not None
    assert (found.n, found.of, found.first, found.is_note) == (1, 15, "group_id=5, sample_index=12", False)
    assert "do not end with a token that ends others (1)" in found.evidence


def test_flagged_or_ended_samples_are_fine() -> None:
    assert find([*ENDED, (20, 1, "stop"), (20, 8, "length"), (20, 8, "abort"), (19, 8, "stop")]) is None
    assert find([(None, None, "stop")] * 20) is None
    assert find([]) is None


def test_where_no_finish_reason_is_recorded_it_is_a_note() -> None:
    unrecorded = [(n, last, None) for n, last, _ in ENDED]
    found = find([*unrecorded, *[(20, 9, None)] * 8], limit=None)
    assert found is not None
    assert (found.n, found.is_note) == (8, True)
    assert find([*unrecorded, *[(20, 9, None)] * 7], limit=None) is None  # the longest ones of an unknown limit


def test_without_an_end_token_a_heap_at_the_limit_is_a_note() -> None:
    anyhow = [(n, n, "stop") for n in range(5, 20)]
    found = find([*anyhow, *[(20, place, "stop") for place in range(12)]])
    assert found is not None
    assert (found.n, found.is_note) == (12, True)
    assert find([*anyhow, (20, 3, "stop"), (20, 4, "stop")]) is None


def letters(n: int) -> list[tuple[int | None, int | None, str | None]]:
    """Return answers of n and, one in 21, of n - 1 tokens that end with a letter: A (11) to D (14), E (15) one in 16."""
    return [(n - (place % 21 == 0), 15 if place % 16 == 1 else 11 + place % 4, "stop") for place in range(400)]


def test_answers_of_one_length_that_end_with_a_letter_are_no_truncation() -> None:
    assert find(letters(3), limit=None) is None
    rows = letters(20)
    other = [(n, 16, reason) if n == 20 else (n, last, reason) for n, last, reason in rows]  # (A) for A
    for limit in (None, 20):
        found, all_other = find(rows, limit), find(other, limit)
        assert found is not None
        assert all_other is not None
        assert (found.n, found.is_note) == (24, True)  # most at the limit end as others do
        assert (all_other.n, all_other.is_note) == (380, True)


def test_below_16_tokens_the_job_s_limit_and_an_end_tell() -> None:
    ended = [(n % 10 + 1, 1, "stop") for n in range(20)]
    cut = [(14, last, "stop") for last in range(20, 28)]
    found = find([*ended, *cut], limit=14)
    assert found is not None
    assert (found.n, found.is_note) == (8, False)
    assert find([*ended, *cut], limit=None) is None


def test_an_empty_completion_has_no_end() -> None:
    empty = [(0, None, "stop")] * 8
    found = find([*ENDED, *empty, (20, 9, "stop")])
    assert found is not None
    assert "that ends others (1)" in found.evidence
