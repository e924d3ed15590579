"""Raw or processed: worked log-probs."""

from __future__ import annotations

import pytest

from curate.sampling.completion import Setting
from curate.sampling.dialect import Served
from curate.sampling.semantics import is_applied, semantics, unsure_places


def drawn(ids: list[int], logprobs: list[float]) -> Served:
    return Served(ids, logprobs, None, "length")


GREEDY = [drawn([4, 5], [-0.7, -0.1]), drawn([6], [-0.4])]


def test_log_probs_that_stay_were_taken_before_the_change() -> None:
    assert is_applied(GREEDY, [drawn([4, 5], [-0.71, -0.1]), drawn([6], [-0.38])]) is False


def test_log_probs_that_vanish_were_taken_after_it() -> None:
    assert is_applied(GREEDY, [drawn([4, 5], [-0.01, 0.0]), drawn([6], [0.0])]) is True


def test_only_tokens_before_the_first_difference_are_compared() -> None:
    assert is_applied(GREEDY, [drawn([4, 9], [-0.7, -5.0]), drawn([6], [-0.4])]) is False


@pytest.mark.parametrize(
    ("greedy", "changed"),
    [
        (GREEDY, [drawn([8], [-0.7]), drawn([8], [-0.4])]),  # no token in common
        ([drawn([4], [-0.01])], [drawn([4], [0.0])]),  # certain before and after
        (GREEDY, [drawn([4, 5], [-0.35, -0.05]), drawn([6], [-0.2])]),  # half gone
        ([], []),
    ],
)
def test_what_does_not_tell_is_null(greedy: list[Served], changed: list[Served]) -> None:
    assert is_applied(greedy, changed) is None


@pytest.mark.parametrize(
    ("setting", "heat", "cut", "found"),
    [
        (Setting(1.0, 1.0), None, None, "processed"),
        (Setting(0.0, 0.5), None, None, "raw"),
        (Setting(0.7, 1.0), True, False, "processed"),
        (Setting(0.7, 1.0), False, True, "raw"),
        (Setting(0.7, 1.0), None, True, None),
        (Setting(1.0, 0.9), False, True, "processed"),
        (Setting(1.0, 0.9), True, False, "raw"),
        (Setting(0.7, 0.9), True, True, "processed"),
        (Setting(0.7, 0.9), False, False, "raw"),
        (Setting(0.7, 0.9), True, False, None),  # SGLang: temperature is in them, top_p is not
    ],
)
def test_what_log_probs_are_at_a_setting(setting: Setting, heat: bool, cut: bool, found: str | None) -> None:
    assert semantics(setting, heat, cut) == found


def test_a_setting_at_1_is_processed() -> None:
    assert semantics(Setting(), False, False) == "processed"


def test_places_where_the_model_was_least_sure() -> None:
    samples = [drawn([4, 5, 6], [-0.1, -0.9, -0.2]), drawn([7, 8], [-2.0, -0.1]), drawn([9], [-0.5])]
    assert unsure_places(samples, 2) == [[], [4]]
