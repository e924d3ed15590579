"""The edge table: every registered recipe, with every choice of its parameters, on the groups that break code."""

from __future__ import annotations

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.reasons import REASONS
from curate.reweighting.recipe import Recipe, needed_columns
from reweighting_case import STORED, every_choice, every_recipe, group

EVERY = every_choice()
REAL = {name: recipe for name, recipe in EVERY.items() if recipe.rewards != "binary"}
COMPUTED = ["shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]
each = pytest.mark.parametrize("recipe", EVERY.values(), ids=EVERY.keys())
each_once = pytest.mark.parametrize("recipe", every_recipe().values(), ids=every_recipe().keys())

BY_INDEX = "index"  # ties are broken by sample_index


def assert_sound(found: pl.DataFrame) -> None:
    """Every row is kept with a finite advantage and weight, or dropped with a reason of the closed list."""
    kept = found["drop_reason"].is_null()
    assert set(found["drop_reason"].drop_nulls()) <= set(REASONS)
    for column in ("advantage", "weight"):
        assert found[column].is_not_null().equals(kept, null_equal=True) or found.height == 0
        assert found[column].drop_nulls().is_finite().all()
    assert (found["weight"].drop_nulls() >= 0).all()
    assert found["shaped"].drop_nulls().is_finite().all()


@each_once
def test_the_test_frame_has_every_column_that_is_read(recipe: Recipe) -> None:
    assert set(needed_columns(recipe)) <= {"reward", "outcome", *STORED}, "add it to columns.py"


@each
def test_an_empty_frame(recipe: Recipe) -> None:
    found = reweight(group([1.0, 0.0]).clear(), recipe)
    assert found.height == 0
    assert set(COMPUTED) <= set(found.columns)


@each
@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_a_group_of_one(recipe: Recipe, reward: float) -> None:
    found = reweight(group([reward]), recipe)
    assert_sound(found)
    assert found["group_size"][0] == 1
    if recipe.needs_group:
        assert found["drop_reason"].to_list() == ["singleton"]


@each
@pytest.mark.parametrize("rewards", [[0.0] * 4, [1.0] * 4, [1.0, 0.0, 0.0, 1.0]], ids=["wrong", "correct", "mixed"])
def test_all_wrong_all_correct_and_mixed_groups(recipe: Recipe, rewards: list[float]) -> None:
    found = reweight(group(rewards), recipe)
    assert_sound(found)
    assert found["group_size"].to_list() == [4] * 4
    assert found["n_correct"].to_list() == [int(sum(rewards))] * 4


@each
def test_a_null_reward_is_no_zero(recipe: Recipe) -> None:
    full = reweight(group([1.0, 0.0, None, 0.0, 1.0]), recipe)
    without = reweight(group([1.0, 0.0, None, 0.0, 1.0])[[0, 1, 3, 4]], recipe)
    assert_sound(full)
    assert full[[0, 1, 3, 4]].equals(without)
    assert full.select(COMPUTED).row(2) == (None, None, None, "unjudged", 4, 2)


@each
def test_a_group_that_nobody_judged(recipe: Recipe) -> None:
    found = reweight(group([None, None]), recipe)
    assert found.select(COMPUTED).rows() == [(None, None, None, "unjudged", 0, 0)] * 2


@each
@pytest.mark.parametrize("rewards", [[1.0, 1.0, 0.0, 0.0], [0.0] * 4, [1.0] * 4], ids=["mixed", "wrong", "correct"])
def test_samples_alike_in_all_that_is_read_get_the_same_advantage(recipe: Recipe, rewards: list[float]) -> None:
    alike = {name: [column.example(1)] * 4 for name, column in STORED.items()}
    found = reweight(group(rewards, **alike), recipe)
    assert_sound(found)
    assert found["advantage"][2] == pytest.approx(found["advantage"][3], abs=1e-12)
    if recipe.parameters.get("ties") != BY_INDEX:
        assert found["advantage"][0] == pytest.approx(found["advantage"][1], abs=1e-12)


@each
def test_two_samples_of_one_text_share_their_likelihood(recipe: Recipe) -> None:
    alike = {name: [column.example(1)] * 4 for name, column in STORED.items()}
    logprobs = {"mean_logprob": [-1.0, -1.5, -2.0, -3.0], "sum_logprob": [-10.0, -15.0, -20.0, -30.0]}
    texts = {"completion": ["a", "a", "b", "c"]}
    found = reweight(group([1.0, 1.0, 0.0, 1.0], **{**alike, **logprobs, **texts}), recipe)
    assert_sound(found)
    if recipe.parameters.get("ties") != BY_INDEX:
        assert found["advantage"][0] == pytest.approx(found["advantage"][1], abs=1e-12)


@each
@pytest.mark.parametrize("rewards", [[2.5, -1.0, 0.5, 0.0], [1.0, -1.0, -1.0, 1.0], [2.5, 0.5, 0.25, 0.0]])
def test_rewards_that_are_not_0_and_1_are_refused_where_undefined(recipe: Recipe, rewards: list[float]) -> None:
    outcomes = ["correct", "incorrect", "incorrect", "correct"]
    frame = group(rewards, outcome=outcomes)
    refuses = recipe.rewards == "binary" or (recipe.rewards == "non_negative" and min(rewards) < 0)
    if refuses:
        with pytest.raises(ConfigError, match=f"{recipe.name} is defined for {recipe.rewards} rewards only"):
            reweight(frame, recipe)
    else:
        assert_sound(reweight(frame, recipe))


@pytest.mark.parametrize("recipe", REAL.values(), ids=REAL.keys())
def test_equal_float32_rewards_are_no_noise(recipe: Recipe) -> None:
    alike = {name: [column.example(1)] * 7 for name, column in STORED.items()}
    outcomes = ["correct"] * 7
    frame = group([0.7] * 7, outcome=outcomes, **alike).with_columns(reward=pl.lit(0.7, pl.Float32))
    found = reweight(frame, recipe)
    assert_sound(found)
    advantages = found["advantage"].drop_nulls()
    if recipe.estimator.has_signal_if_uniform:
        assert advantages.n_unique() <= 1
    else:
        assert advantages.to_list() == [0.0] * len(advantages)


@each
def test_a_frame_of_two_groups_in_any_order(recipe: Recipe) -> None:
    frame = pl.concat([group([1.0, 0.0, 1.0]), group([0.0, 0.0, 1.0], group_id=3)])
    mixed = frame[[5, 0, 3, 2, 1, 4]]
    assert reweight(mixed, recipe).equals(reweight(frame, recipe)[[5, 0, 3, 2, 1, 4]])


@pytest.mark.slow
@each_once
def test_a_group_of_a_million_samples(recipe: Recipe) -> None:
    size = 1_000_000
    small = group([float(i % 4 == 0) for i in range(1000)])
    index = pl.int_range(size, dtype=pl.Int32)
    read = sorted({"group_id", "sample_index", *needed_columns(recipe)} & set(small.columns))
    frame = pl.concat([small.select(read)] * (size // 1000)).with_columns(
        sample_index=index, mean_logprob=-((index * 7919) % 10_007).cast(pl.Float64)
    )
    found = reweight(frame, recipe)
    assert_sound(found)
    assert found["group_size"][0] == size
    assert found["n_correct"][0] == size // 4


@pytest.mark.parametrize("name", ["vineppo", "trepo"])
def test_a_lone_sample_without_branches_is_dropped_not_kept_without_an_advantage(name: str) -> None:
    lone = group([0.0]).with_columns(branch_kept=None, branch_rewards=None)
    found = reweight(lone, getattr(recipes, name)(keep_groups="all"))
    assert found["drop_reason"].to_list() == ["no_branches"]
    assert found["weight"].to_list() == [None]
