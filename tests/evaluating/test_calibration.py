"""Calibration of a judge, with figures worked by hand."""

from __future__ import annotations

import pytest

from curate.evaluating import Judged, calibrate, calibrate_by_generator
from curate.records import Judgment

ABSTAINED = Judgment(error="unreadable reply")


def said(step: int | None) -> Judgment:
    return Judgment(first_error_step=step)


SOLUTIONS = [
    Judged(2, said(2), "a"),  # found
    Judged(2, said(3), "b"),  # misplaced
    Judged(1, said(None), "a"),  # missed
    Judged(4, ABSTAINED, "b"),
    Judged(1, said(1), "a"),  # found
    Judged(None, said(None), "a"),  # cleared
    Judged(None, said(None), "b"),  # cleared
    Judged(None, said(1), "b"),  # false alarm
    Judged(None, ABSTAINED, None),
]


def test_the_counts_and_shares_by_hand() -> None:
    found = calibrate(SOLUTIONS)
    assert (found.n_wrong, found.n_found, found.n_misplaced, found.n_missed, found.n_abstained_wrong) == (5, 2, 1, 1, 1)
    assert (found.n_right, found.n_cleared, found.n_false_alarms, found.n_abstained_right) == (4, 2, 1, 1)
    assert found.first_error_accuracy == 0.4
    assert found.right_accuracy == 0.5
    assert found.f1 == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert found.missed_share == 0.2
    assert found.false_alarm_share == 0.25


def test_an_abstention_is_a_failure_on_either_side() -> None:
    silent = calibrate([Judged(1, ABSTAINED), Judged(None, ABSTAINED)])
    assert silent.first_error_accuracy == silent.right_accuracy == silent.f1 == 0.0
    assert silent.missed_share == silent.false_alarm_share == 0.0
    assert silent.as_json()["abstained_share"]["value"] == 1.0


def test_a_judge_that_never_finds_an_error_has_an_f1_of_0() -> None:
    found = calibrate([Judged(1, said(None)), Judged(None, said(None))])
    assert (found.right_accuracy, found.missed_share, found.f1) == (1.0, 1.0, 0.0)


def test_without_right_or_wrong_solutions_their_shares_are_unknown() -> None:
    only_wrong = calibrate([Judged(1, said(1))])
    assert only_wrong.first_error_accuracy == 1.0
    assert only_wrong.right_accuracy is only_wrong.false_alarm_share is only_wrong.f1 is None
    only_right = calibrate([Judged(None, said(None))])
    assert only_right.missed_share is only_right.f1 is None
    assert only_right.as_json()["missed_share"] == {"value": None, "low": None, "high": None, "n": 0}


def test_the_intervals_are_wilson_s() -> None:
    # 2 of 5: z = 1.959964, centre (.4 + z^2/10) / (1 + z^2/5), half width z sqrt(.24/5 + z^2/100) / (1 + z^2/5)
    found = calibrate(SOLUTIONS).as_json()["first_error_accuracy"]
    assert found == {
        "value": 0.4,
        "low": pytest.approx(0.11762, abs=1e-5),
        "high": pytest.approx(0.76928, abs=1e-5),
        "n": 5,
    }


def test_by_generator_only_where_several_are_named() -> None:
    found = calibrate_by_generator(SOLUTIONS)
    assert list(found) == ["a", "b"]
    assert (found["a"].n_wrong, found["a"].n_right, found["a"].first_error_accuracy) == (3, 1, pytest.approx(2 / 3))
    assert (found["b"].n_wrong, found["b"].n_right) == (2, 2)
    assert calibrate_by_generator([Judged(1, said(1), "a"), Judged(None, said(1))]) == {}
