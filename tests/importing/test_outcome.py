from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.importing.outcome import compile_condition, correct_expression
from importing_case import Bring


def _correct(rewards: list[float | None], accuracy: list[bool | None], expression: pl.Expr) -> list[bool | None]:
    frame = pl.DataFrame(
        {"reward": rewards, "accuracy": accuracy}, schema={"reward": pl.Float64, "accuracy": pl.Boolean}
    )
    return frame.with_columns(correct=expression)["correct"].to_list()


def test_accuracy_goes_before_rewards_of_0_and_1() -> None:
    expression = correct_expression(None, is_binary=True)
    assert _correct([1.0, 1.0, 0.0, None], [None, False, True, None], expression) == [True, False, True, None]


def test_without_accuracy_or_0_and_1_nothing_is_known() -> None:
    assert _correct([1.0, -1.0], [None, None], correct_expression(None, is_binary=False)) == [None, None]


def test_a_condition_of_the_user_goes_before_everything() -> None:
    expression = correct_expression("reward > 0", is_binary=True)
    assert _correct([1.0, -1.0, None], [False, None, None], expression) == [True, False, None]


@pytest.mark.parametrize("condition", ["reward > 0", "reward = 1 OR reward = 0.25", "reward BETWEEN 0 AND 1", "true"])
def test_conditions_on_one_row(condition: str) -> None:
    assert compile_condition(condition) is not None


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("reward >", "not a condition on reward"),
        ("", "not a condition on reward"),
        ("score > 0", "not a condition on reward"),
        ("accuracy", "not a condition on reward"),
        ("reward + 1", "gives Float64, not true or false"),
        ("reward > avg(reward)", "by the sample's own reward alone"),
        ("(SELECT 1)", "not a condition on reward"),
        ("'a", "not a condition on reward"),
    ],
)
def test_what_is_no_condition_on_one_reward_is_refused(condition: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compile_condition(condition)


def test_rewards_of_plus_and_minus_one(bring: Bring, jsonl: Callable[..., Path]) -> None:
    rewards = [1, -1, None]
    path = jsonl("a.jsonl", [{"prompt": "p", "completion": f"{i}", "reward": r} for i, r in enumerate(rewards)])
    got = bring(path)
    assert got.report.outcome_from is None
    assert got.report.reward_range == (-1.0, 1.0)
    assert not got.report.is_binary
    assert got.verdicts is not None
    assert got.verdicts.select("outcome", "reward", "detail").rows() == [
        (None, 1.0, None),
        (None, -1.0, None),
        (None, None, "not judged in the source"),
    ]
    got = bring(path, correct_when="reward > 0")
    assert got.report.outcome_from == "--correct-when reward > 0"
    assert got.verdicts is not None
    assert got.verdicts["outcome"].to_list() == ["correct", "incorrect", None]


def test_a_bad_condition_stops_before_anything_is_read(bring: Bring, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--correct-when nonsense"):
        bring(tmp_path / "missing", correct_when="nonsense")


def test_one_reward_beyond_0_and_1_leaves_every_outcome_open(bring: Bring, jsonl: Callable[..., Path]) -> None:
    path = jsonl("a.jsonl", [{"prompt": "p", "completion": f"{r}", "reward": r} for r in (0, 1, 0.5)])
    got = bring(path, rows_per_part=1)
    assert got.verdicts is not None
    assert got.verdicts["outcome"].to_list() == [None] * 3
