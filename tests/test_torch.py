"""``curate.torch``: a recipe on tensors gives what ``reweight`` gives on the same rows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

import curate
from curate.errors import ConfigError, ContractError
from curate.reweighting import build, needed_columns, recipes, reweight
from curate.reweighting.columns import column_of
from curate.reweighting.recipe import Recipe
from curate.torch import advantages
from reweighting_case import every_recipe

EVERY = every_recipe()
OF_TOKENS = sorted(name for name, recipe in EVERY.items() if recipe.estimator.credit is not None)
OF_SEQUENCES = sorted(set(EVERY) - set(OF_TOKENS))
REWARDS: list[float | None] = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, None, 1.0, 0.0, 0.0, 1.0]
GROUPS = [2, 1, 2, 1, 2, 1, 2, 1, 3, 3, 0, 0]
LOGPROBS = [-0.1 * (i * 7 % 12) - 0.25 for i in range(12)]


def others_of(recipe: Recipe) -> dict[str, list[Any]]:
    """Return what the recipe reads beside rewards and log-probs, from the examples of the columns."""
    named = {name: column_of(name) for name in needed_columns(recipe)}
    given = ("reward", "outcome", "mean_logprob", "n_initial")
    return {name: [c.example(i) for i in range(12)] for name, c in named.items() if c and name not in given}


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_tensors_get_what_reweight_gives_the_same_rows(name: str) -> None:
    recipe, others = EVERY[name], others_of(EVERY[name])
    rows = pl.DataFrame({"group_id": GROUPS, "sample_index": range(12), "reward": REWARDS, "mean_logprob": LOGPROBS})
    rows = rows.with_columns(pl.Series(column, values) for column, values in others.items())
    expected = reweight(rows, recipe)
    rewards = torch.tensor([torch.nan if reward is None else reward for reward in REWARDS], dtype=torch.float64)
    logprobs = torch.tensor(LOGPROBS, dtype=torch.float64)
    found, kept = advantages(rewards, logprobs, torch.tensor(GROUPS), recipe, return_kept=True, **others)
    assert found.tolist() == (expected["advantage"] * expected["weight"]).fill_null(0.0).to_list()
    assert kept.tolist() == expected["advantage"].is_not_null().to_list()


@pytest.mark.parametrize("name", OF_TOKENS)
def test_a_recipe_that_spreads_over_tokens_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} spreads advantages over tokens .*curate reweight DIR"):
        advantages(torch.tensor([1.0, 0.0]), None, [1, 1], EVERY[name])


def test_grpo_of_three_by_hand_with_a_sample_that_was_not_judged() -> None:
    # 1, 0, 0 and one unknown: mean 1/3, sample std sqrt(1/3); A = 2/3 / sqrt(1/3) = 2/sqrt 3, and half of it below
    rewards = torch.tensor([1.0, 0.0, torch.nan, 0.0])
    found, kept = advantages(rewards, None, torch.tensor([9, 9, 9, 9]), "grpo", return_kept=True)
    assert found.tolist() == pytest.approx([2 / 3**0.5, -1 / 3**0.5, 0.0, -1 / 3**0.5], abs=1e-5)
    assert kept.tolist() == [True, True, False, True]
    judged = torch.tensor([True, True, False, True])
    assert advantages(rewards.nan_to_num(), None, [9] * 4, "grpo", judged=judged).tolist() == found.tolist()


def test_the_result_has_the_rewards_dtype_or_the_default_one() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert advantages(torch.tensor([1.0, 0.0], dtype=dtype), None, [1, 1], "dr_grpo").dtype == dtype
    whole = advantages(torch.tensor([1, 0]), None, [1, 1], "dr_grpo")
    assert whole.tolist() == [0.5, -0.5]
    assert whole.dtype == torch.float32


def test_log_probs_of_tokens_count_where_the_mask_is_1() -> None:
    rewards = torch.tensor([1.0, 1.0, 0.0, 0.0])
    logprobs = torch.tensor([[-1.0, -9.0, torch.nan], [-2.0, -2.0, -2.0], [-1.0, -1.0, -1.0], [-3.0, 0.0, 0.0]])
    mask = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0]])
    recipe = recipes.unlikely_grpo(beta_rank=0.5)
    found, kept = advantages(rewards, logprobs, [1] * 4, recipe, mask=mask, return_kept=True)
    means = torch.tensor([-1.0, -2.0, -1.0, torch.nan])
    assert kept.tolist() == [True, True, True, False]  # a completion of no token was not scored
    assert found.tolist() == advantages(rewards, means, [1] * 4, recipe).tolist()
    by_sum = recipes.unlikely_grpo(beta_rank=0.5, rank_by="sum")
    # sums -1, -6, -2: ranks 1 and 3 among three for the correct ones, R = 1 - 1/2 * 2/3 and 1
    found = advantages(rewards[:3], logprobs[:3], [1] * 3, by_sum, mask=mask[:3])
    mean, std = (2 / 3 + 1) / 3, (((2 / 3 - 5 / 9) ** 2 + (1 - 5 / 9) ** 2 + (5 / 9) ** 2) / 2) ** 0.5
    assert found.tolist() == pytest.approx([(2 / 3 - mean) / std, (1 - mean) / std, -mean / std], abs=1e-5)


def test_tokens_are_counted_by_the_mask() -> None:
    # opo: the baseline is the mean reward by length, (3 * 1 + 1 * 0) / 4
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    assert advantages(torch.tensor([1.0, 0.0]), None, [1, 1], "opo", mask=mask).tolist() == [0.25, -0.75]


def test_real_rewards_want_to_know_what_is_correct() -> None:
    rewards, correct = torch.tensor([0.75, 0.25]), torch.tensor([True, False])
    assert advantages(rewards, None, [1, 1], "dr_grpo", correct=correct).tolist() == [0.25, -0.25]
    assert advantages(rewards, None, [1, 1], "dr_grpo", correct=~correct | correct).tolist() == [
        0.0,
        0.0,
    ]  # all correct
    with pytest.raises(ConfigError, match="other than 0 and 1"):
        advantages(rewards, None, [1, 1], "dr_grpo")


def test_the_weight_of_a_recipe_is_in_the_advantage() -> None:
    # w_reinforce: +1 on correct at weight .1, -1 on wrong
    assert advantages(torch.tensor([1.0, 0.0]), None, [1, 2], "w_reinforce").tolist() == pytest.approx([0.1, -1.0])


def test_gradients_do_not_pass() -> None:
    logprobs = torch.tensor([-1.0, -2.0], requires_grad=True)
    found = advantages(torch.tensor([1.0, 0.0]), logprobs, [1, 1], recipes.unlikely_grpo(beta_rank=0.25))
    assert not found.requires_grad


def test_an_empty_batch_gives_an_empty_tensor() -> None:
    assert advantages(torch.tensor([]), torch.tensor([]), torch.tensor([], dtype=torch.int64), "grpo").shape == (0,)


TWO = torch.tensor([1.0, 0.0])


@pytest.mark.parametrize(
    ("said", "arguments", "keywords"),
    [
        ("no recipe 'grpoo'", (TWO, None, [1, 1], "grpoo"), {}),
        ("unlikely_grpo reads mean_logprob: give logprobs", (TWO, None, [1, 1], recipes.unlikely_grpo(0.5)), {}),
        ("opo reads n_tokens: give mask", (TWO, None, [1, 1], "opo"), {}),
        ("spectral_grpo reads rts: give it by keyword, rts=", (TWO, None, [1, 1], "spectral_grpo"), {}),
        ("rewards must have one axis", (TWO[None], None, [1, 1], "grpo"), {}),
        ("group_id has 3 values for 2 rewards", (TWO, None, [1, 1, 1], "grpo"), {}),
        ("judged has the shape", (TWO, None, [1, 1], "grpo"), {"judged": torch.tensor([True])}),
        ("mask has the shape", (TWO, None, [1, 1], "grpo"), {"mask": torch.ones(3, 2)}),
        ("mask has the shape", (TWO, None, [1, 1], "grpo"), {"mask": torch.ones(2)}),
        ("logprobs have the shape", (TWO, torch.ones(2, 3), [1, 1], "grpo"), {"mask": torch.ones(2, 2)}),
        ("mean_logprob has 3 values", (TWO, torch.ones(3), [1, 1], "grpo"), {}),
        ("rts must have one axis", (TWO, None, [1, 1], "grpo"), {"rts": torch.ones(2, 2)}),
        ("outcome cannot be given by keyword", (TWO, None, [1, 1], "grpo"), {"outcome": ["correct"] * 2}),
    ],
)
def test_what_cannot_be_is_refused(said: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=said):
        advantages(*arguments, **keywords)


def test_an_infinite_reward_is_refused() -> None:
    with pytest.raises(ContractError, match="infinite"):
        advantages(torch.tensor([torch.inf, 0.0]), None, [1, 1], "grpo", correct=torch.tensor([True, False]))


def test_the_module_is_there_on_first_use() -> None:
    assert curate.torch.advantages is advantages
    assert build("grpo").estimator.credit is None
