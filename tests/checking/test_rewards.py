"""Which outcomes and rewards contradict each other."""

from __future__ import annotations

import pytest

from curate.checking.rewards import Count, misread_rewards


def counts(*rows: tuple[str | None, str, int]) -> list[Count]:
    return [Count(*row, {"group_id": place, "sample_index": 7}) for place, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "n"),
    [
        ([("correct", "-1", 3), ("correct", "1", 5)], 3),  # every reward but 0 taken for correct
        ([("correct", "negative", 2), ("incorrect", "0", 5)], 2),
        ([("incorrect", "1", 4), ("incorrect", "-1", 5)], 4),
    ],
)
def test_a_source_that_contradicts_itself(rows: list[tuple[str | None, str, int]], n: int) -> None:
    found = misread_rewards("verdicts", counts(*rows), is_verified=False)
    assert found is not None
    assert (found.n, found.of, found.is_note) == (n, sum(row[2] for row in rows), False)
    assert found.first == "group_id=0, sample_index=7"
    assert "--correct-when" in found.do


def test_rewards_of_minus_one_and_one_are_fine_where_it_is_said_which_is_correct() -> None:
    assert misread_rewards("v", counts(("correct", "1", 3), ("incorrect", "-1", 5)), is_verified=False) is None
    assert misread_rewards("v", counts(("correct", "other", 3), ("incorrect", "1", 5)), is_verified=False) is None
    assert misread_rewards("v", [], is_verified=False) is None


def test_where_nobody_says_which_is_correct_it_is_a_note() -> None:
    found = misread_rewards("v", counts((None, "1", 3), (None, "-1", 5), (None, "null", 1)), is_verified=False)
    assert found is not None
    assert (found.n, found.of, found.is_note) == (8, 9, True)
    assert misread_rewards("v", counts((None, "other", 3), (None, "-1", 5)), is_verified=False) is None


@pytest.mark.parametrize(("n_zeros", "is_told"), [(5, True), (6, False)])
def test_a_few_zeros_among_rewards_of_minus_one_and_one_hide_nothing(n_zeros: int, is_told: bool) -> None:
    rest = 100 - n_zeros - 40
    unsaid = counts((None, "-1", 40), (None, "1", rest), (None, "0", n_zeros))
    assert (misread_rewards("v", unsaid, is_verified=False) is not None) == is_told
    paid = counts(("incorrect", "-1", 40), ("incorrect", "1", rest), ("unparsable", "0", n_zeros))
    assert (misread_rewards("v", paid, is_verified=False) is not None) == is_told


def test_a_correct_sample_below_zero_among_graded_rewards_may_be_a_penalty_on_length() -> None:
    graded = counts(("correct", "1", 90), ("correct", "negative", 30), ("incorrect", "-1", 60))
    found = misread_rewards("v", graded, is_verified=False)
    assert found is not None
    assert (found.n, found.is_note) == (30, True)
    assert "a penalty lowered it" in found.evidence
    misread = misread_rewards("v", graded[1:], is_verified=False)  # no correct sample has a positive reward
    assert misread is not None
    assert not misread.is_note


def test_a_verifier_gives_one_nought_or_nothing() -> None:
    kept = counts(("correct", "1", 3), ("incorrect", "0", 5), ("unparsable", "0", 1), ("timeout", "null", 1))
    assert misread_rewards("v", kept, is_verified=True) is None
    found = misread_rewards("v", [*kept, *counts(("incorrect", "-1", 4))], is_verified=True)
    assert found is not None
    assert (found.n, found.evidence) == (4, "rewards that no verifier gives: incorrect with -1")
