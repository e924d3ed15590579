"""ngrpo and lens, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight


def group(rewards: list[float | None], **columns: Any) -> pl.DataFrame:
    keys = {"group_id": [7] * len(rewards), "sample_index": range(len(rewards))}
    return pl.DataFrame({**keys, "reward": pl.Series(rewards, dtype=pl.Float64), **columns})


def test_ngrpo_gives_the_worked_example_of_the_paper() -> None:
    # 1 of 8 and a virtual 1: mean 2/9, std = sqrt((2 * (7/9)^2 + 7 * (2/9)^2) / 8) = .44096
    found = reweight(group([1.0] + [0.0] * 7), recipes.ngrpo())["advantage"].to_list()
    assert found == pytest.approx([1.76] + [-0.50] * 7, abs=5e-3)
    std = math.sqrt(126 / 81 / 8)
    assert found == pytest.approx([7 / 9 / std] + [-2 / 9 / std] * 7, abs=1e-5)
    # The population std of the paper's equation would give 1.87 and -.53.
    assert found[0] != pytest.approx(7 / 9 / math.sqrt(126 / 81 / 9), abs=0.05)


@pytest.mark.parametrize("size", [2, 3, 8, 15])
def test_ngrpo_pushes_an_all_wrong_group_down_alike(size: int) -> None:
    found = reweight(group([0.0] * size), recipes.ngrpo(eps=0))
    assert found["advantage"].to_list() == pytest.approx([-1 / math.sqrt(size + 1)] * size, abs=1e-14)
    assert found["drop_reason"].to_list() == [None] * size


def test_ngrpo_has_nothing_to_say_where_all_have_the_best_reward() -> None:
    frame = group([0.7] * 7, outcome=["correct"] * 7)
    assert reweight(frame, recipes.ngrpo(r_max=0.7))["drop_reason"].to_list() == ["all_correct"] * 7
    kept = reweight(frame, recipes.ngrpo(r_max=0.7, keep_groups="all", eps=0))
    assert [str(value) for value in kept["advantage"].to_list()] == ["0.0"] * 7


def test_ngrpo_of_rewards_of_plus_minus_1_is_that_of_0_and_1() -> None:
    signed = group([1.0, -1.0, -1.0], outcome=["correct", "incorrect", "incorrect"])
    binary = reweight(group([1.0, 0.0, 0.0]), recipes.ngrpo(eps=0))["advantage"].to_list()
    assert reweight(signed, recipes.ngrpo(eps=0))["advantage"].to_list() == pytest.approx(binary, abs=1e-14)


def test_ngrpo_drops_a_group_of_one() -> None:
    assert reweight(group([0.0, None]), recipes.ngrpo())["drop_reason"].to_list() == ["singleton", "unjudged"]


def logs(*probabilities: float | None) -> list[float | None]:
    return [None if p is None else math.log(p) for p in probabilities]


def test_lens_penalises_confident_mistakes_of_an_all_wrong_group() -> None:
    # D = 2 * .5: R = -1/2 * .5 / .5 = -1/2 and -1/2 * .25 / .75 = -1/6; mean -1/3; times .25, without the std
    found = reweight(group([0.0, 0.0], mean_logprob=logs(0.5, 0.25)), recipes.lens())
    assert found["shaped"].to_list() == pytest.approx([-1 / 2, -1 / 6], abs=1e-15)
    assert found["advantage"].to_list() == pytest.approx([-1 / 24, 1 / 24], abs=1e-15)
    twice = reweight(group([0.0, 0.0], mean_logprob=logs(0.5, 0.25)), recipes.lens(alpha=0.5))
    assert twice["advantage"].to_list() == pytest.approx([-1 / 12, 1 / 12], abs=1e-15)


def test_lens_in_a_mixed_group() -> None:
    # D_imp = 1 / ((1 / .8 + 0 + 0) / 3) = 2.4 > 2 * .8; R = -1/3 * .6 / 1.8 = -1/9 and -1/3 * .4 / 2 = -1/15
    found = reweight(group([1.0, 0.0, 0.0], mean_logprob=logs(0.8, 0.6, 0.4)), recipes.lens(eps=0))
    shaped = [1, -1 / 9, -1 / 15]
    assert found["shaped"].to_list() == pytest.approx(shaped, abs=1e-15)
    mean = sum(shaped) / 3
    std = math.sqrt(sum((value - mean) ** 2 for value in shaped) / 2)
    assert found["advantage"].to_list() == pytest.approx([(value - mean) / std for value in shaped], abs=1e-14)


def test_lens_in_a_mixed_group_of_confident_mistakes() -> None:
    # D_imp = 1 / ((1 / .2) / 2) = .4 < 2 * .6 = 1.2; R = -1/2 * .6 / .6
    found = reweight(group([1.0, 0.0], mean_logprob=logs(0.2, 0.6)), recipes.lens())
    assert found["shaped"].to_list() == pytest.approx([1.0, -0.5], abs=1e-15)


def test_lens_stays_finite_where_probabilities_underflow() -> None:
    far = [-2000.0, -2001.0, -5000.0]
    found = reweight(group([0.0] * 3, mean_logprob=far), recipes.lens())
    # relative to the largest: 1, e^-1, 0 -> penalties 1/3, 1/3 * .36788 / 1.63212, 0
    assert found["shaped"].to_list() == pytest.approx([-1 / 3, -0.07513322, 0.0], abs=1e-8)
    mixed = reweight(group([0.0, 1.0, 0.0], mean_logprob=[-1.0, -5000.0, -9000.0]), recipes.lens())
    assert mixed["shaped"].to_list() == pytest.approx([-1 / 3, 1.0, 0.0], abs=1e-15)
    assert mixed["advantage"].is_finite().all()


def test_lens_of_equal_likelihoods_has_no_signal() -> None:
    frame = group([0.0] * 3, mean_logprob=[-1.5] * 3)
    assert reweight(frame, recipes.lens())["drop_reason"].to_list() == ["degenerate"] * 3
    assert reweight(frame, recipes.lens(keep_groups="all"))["advantage"].to_list() == [0.0] * 3


def test_lens_reads_likelihoods_where_a_group_trains_and_has_a_wrong_sample() -> None:
    right = group([1.0, 1.0], mean_logprob=[None, -1.0])
    kept = reweight(right, recipes.lens(keep_groups="all"))
    assert kept["drop_reason"].to_list() == [None, None]
    assert kept["advantage"].to_list() == [0.0, 0.0]
    lost = reweight(group([1.0, 0.0, 0.0], mean_logprob=[None, -1.0, -2.0]), recipes.lens())
    # It had a success: the two wrong samples alone are not taken for an all-wrong group.
    assert lost["drop_reason"].to_list() == ["no_likelihood", "degenerate", "degenerate"]
    assert lost["shaped"].to_list() == [None, 0.0, 0.0]


def test_lens_refuses_rewards_that_are_not_binary_and_negative_alphas() -> None:
    signed = group([1.0, -1.0], outcome=["correct", "incorrect"], mean_logprob=[-1.0, -2.0])
    with pytest.raises(ConfigError, match="lens is defined for binary rewards only"):
        reweight(signed, recipes.lens())
    with pytest.raises(ConfigError, match=r"alpha must be at least 0, got -0\.25"):
        recipes.lens(alpha=-0.25)
