"""Batches: every row once, longest first, within the token budget."""

from hypothesis import given
from hypothesis import strategies as st

from curate.likelihood.batches import token_batches


def test_rows_of_like_length_go_together() -> None:
    assert list(token_batches([3, 10, 4, 9, 3], 20)) == [[1, 3], [2, 0, 4]]


def test_a_row_beyond_the_budget_goes_alone() -> None:
    assert list(token_batches([50, 2, 2], 10)) == [[0], [1, 2]]


def test_no_rows_give_no_batches() -> None:
    assert list(token_batches([], 10)) == []


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200))
def test_every_row_once_and_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(token_batches(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[index] for index in batch) * len(batch) <= budget
