"""maxrl and f_grpo, worked by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import estimators, gates, recipes, shaping
from curate.reweighting.apply import reweight
from curate.reweighting.compose import compose
from curate.reweighting.recipe import Recipe


def group(rewards: list[float | None], **columns: Any) -> pl.DataFrame:
    keys = {"group_id": [7] * len(rewards), "sample_index": range(len(rewards))}
    return pl.DataFrame({**keys, "reward": pl.Series(rewards, dtype=pl.Float64), **columns})


def advantages(frame: pl.DataFrame, recipe: Recipe) -> list[float | None]:
    return reweight(frame, recipe)["advantage"].to_list()


def test_maxrl_divides_by_the_mean() -> None:
    # mean 1/4: (1 - 1/4) / (1/4) = 3, (0 - 1/4) / (1/4) = -1
    assert advantages(group([1.0, 0.0, None, 0.0, 0.0]), recipes.maxrl()) == [3.0, -1.0, None, -1.0, -1.0]
    # mean 1.25
    real = group([2.0, 0.5], outcome=["correct", "incorrect"])
    assert advantages(real, recipes.maxrl()) == pytest.approx([0.6, -0.6], abs=1e-15)


def test_maxrl_of_a_mean_of_0_is_0() -> None:
    assert advantages(group([0.0, 0.0]), recipes.maxrl(keep_groups="all")) == [0.0, 0.0]


def test_maxrl_is_for_rewards_of_0_or_more_but_a_shaping_may_go_below() -> None:
    signed = group([1.0, -1.0], outcome=["correct", "incorrect"])
    with pytest.raises(ConfigError, match="maxrl is defined for non_negative rewards only"):
        reweight(signed, recipes.maxrl())
    made = estimators.maxrl().advantage(pl.col("r"))
    assert pl.DataFrame({"r": [1.0, -2.0, 0.0]}).select(made).to_series().to_list() == [0.0, 0.0, 0.0]


def test_f_grpo_takes_from_groups_that_are_often_correct() -> None:
    # 3 of 4: mean 3/4, std 1/2, factor (1/4)^2
    frame = group([1.0, 1.0, 1.0, 0.0])
    assert advantages(frame, recipes.f_grpo(gamma=2, eps=0)) == [0.5 / 16] * 3 + [-1.5 / 16]
    # 1 of 4: factor (3/4)^.5
    rare = advantages(group([1.0, 0.0, 0.0, 0.0]), recipes.f_grpo(gamma=0.5, eps=0))
    assert rare == pytest.approx([1.5 * 0.75**0.5] + [-0.5 * 0.75**0.5] * 3, abs=1e-15)


def test_gamma_0_is_grpo_and_a_negative_one_is_refused() -> None:
    frame = group([1.0, 1.0, 0.0, None])
    assert advantages(frame, recipes.f_grpo(gamma=0)) == advantages(frame, recipes.grpo())
    with pytest.raises(ConfigError, match="gamma must be at least 0, got -1"):
        recipes.f_grpo(gamma=-1)


def test_the_focal_factor_goes_with_every_estimator() -> None:
    # rloo of 3 of 4: 1 - 2/3 = 1/3 and 0 - 1 = -1, times 1/4
    made = compose(estimators.rloo(), shape=[shaping.focal(gamma=1)], gate=[gates.mixed()])
    assert advantages(group([1.0, 1.0, 1.0, 0.0]), made) == pytest.approx([1 / 12] * 3 + [-1 / 4], abs=1e-15)
