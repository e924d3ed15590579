"""reinforce_rej, psr, nsr and w_reinforce: signs of the outcome."""

from __future__ import annotations

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe

OUTCOMES = ["correct", "incorrect", "unparsable", "timeout"]
SCALES = [[1.0, 0.0, 0.0, None], [1.0, -1.0, -1.0, None], [2.5, 0.3, -7.0, None], [0.5, 0.5, 0.5, None]]


def mixed(rewards: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"group_id": [1] * 4, "sample_index": range(4), "reward": rewards, "outcome": OUTCOMES})


@pytest.mark.parametrize("rewards", SCALES)
@pytest.mark.parametrize(
    ("recipe", "advantages", "reasons"),
    [
        (recipes.reinforce_rej(), [1.0, -1.0, -1.0, None], [None, None, None, "unjudged"]),
        (recipes.reinforce_rej(scores="zero_one"), [1.0, 0.0, 0.0, None], [None, None, None, "unjudged"]),
        (recipes.psr(), [1.0, None, None, None], [None, "gated", "gated", "unjudged"]),
        (recipes.nsr(), [None, -1.0, -1.0, None], ["gated", None, None, "unjudged"]),
        (recipes.w_reinforce(), [0.1, -1.0, -1.0, None], [None, None, None, "unjudged"]),
        (recipes.w_reinforce(lambda_psr=0), [0.0, -1.0, -1.0, None], [None, None, None, "unjudged"]),
    ],
)
def test_the_outcome_alone_says_the_sign_whatever_the_rewards(
    rewards: list[float | None], recipe: Recipe, advantages: list[float | None], reasons: list[str | None]
) -> None:
    found = reweight(mixed(rewards), recipe)
    assert found["advantage"].to_list() == advantages
    assert found["drop_reason"].to_list() == reasons


def alone(outcome: str) -> pl.DataFrame:
    return pl.DataFrame({"group_id": [1], "sample_index": [0], "reward": [float(outcome == "correct")]})


@pytest.mark.parametrize(
    ("recipe", "correct", "incorrect"),
    [
        (recipes.reinforce_rej(), "singleton", "singleton"),
        (recipes.psr(), 1.0, "all_wrong"),
        (recipes.nsr(), "all_correct", -1.0),
        (recipes.w_reinforce(), 0.1, -1.0),
    ],
)
def test_without_group_statistics_a_group_of_one_trains(
    recipe: Recipe, correct: float | str, incorrect: float | str
) -> None:
    for outcome, expected in (("correct", correct), ("incorrect", incorrect)):
        row = reweight(alone(outcome), recipe).row(0, named=True)
        assert expected == (row["advantage"] if row["drop_reason"] is None else row["drop_reason"])


def test_lambda_is_at_least_0() -> None:
    with pytest.raises(ConfigError, match=r"lambda_psr must be at least 0, got -0\.5"):
        recipes.w_reinforce(lambda_psr=-0.5)
