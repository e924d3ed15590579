import polars as pl
import pytest

from curate.reweighting.group import can_train, drop_reason, has_success, uniform
from curate.reweighting.pieces import KeepGroups

T, F = True, False


@pytest.mark.parametrize(
    ("shaped", "expected"),
    [
        ([0.7, 0.7, None], True),
        ([0.7, 0.7 + 1e-13], True),
        ([0.7, 0.7 + 1e-11], False),
        ([1e6, 1e6 + 1e-7], True),  # 1e-13 of the largest
        ([-1e6, -1e6 + 1e-7], True),
        ([1.0], True),
    ],
)
def test_a_group_is_uniform_within_a_relative_tolerance(shaped: list[float], expected: bool) -> None:
    assert pl.DataFrame({"shaped": shaped}).select(uniform()).item() is expected


OUTCOMES = {"all_wrong": [F, F, None], "all_correct": [T, T, None], "mixed": [T, F, None]}


def of_outcomes(correct: list[bool | None], expression: pl.Expr) -> object:
    frame = pl.DataFrame({"correct": pl.Series(correct, dtype=pl.Boolean)})
    return frame.with_columns(solved="correct").select(expression.alias("a"))["a"][0]


@pytest.mark.parametrize(
    ("keep_groups", "expected"),
    [
        ("mixed", {"all_wrong": "all_wrong", "all_correct": "all_correct", "mixed": None}),
        ("not_all_correct", {"all_wrong": None, "all_correct": "all_correct", "mixed": None}),
        ("all", {"all_wrong": None, "all_correct": None, "mixed": None}),
    ],
)
def test_keep_groups_says_which_groups_train(keep_groups: KeepGroups, expected: dict[str, str | None]) -> None:
    for outcomes, reason in expected.items():
        assert of_outcomes(OUTCOMES[outcomes], drop_reason(keep_groups)) == reason
        assert of_outcomes(OUTCOMES[outcomes], can_train(keep_groups)) is (reason is None)


def test_a_gate_on_shaped_rewards_bars_only_the_groups_that_are_uniform_too() -> None:
    assert of_outcomes([T, T], drop_reason("mixed", pl.lit(True))) == "all_correct"
    assert of_outcomes([T, T], drop_reason("mixed", pl.lit(False))) is None


@pytest.mark.parametrize("keep_groups", ["mixed", "not_all_correct", "all"])
def test_a_group_of_one_cannot_train(keep_groups: KeepGroups) -> None:
    assert of_outcomes([F, None], can_train(keep_groups)) is False
    assert of_outcomes([None, None], can_train(keep_groups)) is False


def test_has_success() -> None:
    assert of_outcomes([F, T, None], has_success()) is True
    assert of_outcomes([F, None], has_success()) is False
    assert of_outcomes([None], has_success()) is False
