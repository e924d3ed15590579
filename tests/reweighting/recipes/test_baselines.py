"""opo and gpg, worked by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight


def frame(*groups: list[float | None], **columns: list[Any]) -> pl.DataFrame:
    rows = [(g, i, reward) for g, group in enumerate(groups) for i, reward in enumerate(group)]
    keys = pl.DataFrame(rows, schema=["group_id", "sample_index", "reward"], orient="row")
    return keys.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def test_opo_takes_the_mean_weighted_by_length_away() -> None:
    # baseline = (1*1 + 0*3 + 0*4) / (1 + 3 + 4) = 1/8
    found = reweight(frame([1.0, 0.0, 0.0], n_tokens=[1, 3, 4]), recipes.opo())
    assert found["advantage"].to_list() == [0.875, -0.125, -0.125]
    # over tokens it sums to 0: 1 * 7/8 - 3 * 1/8 - 4 * 1/8
    assert (found["advantage"] * found["n_tokens"]).sum() == 0


def test_opo_of_equal_lengths_is_dr_grpo() -> None:
    rewards = frame([2.0, 0.5, -1.0, 0.0], n_tokens=[7] * 4, outcome=["correct"] + ["incorrect"] * 3)
    assert reweight(rewards, recipes.opo())["advantage"].to_list() == [1.625, 0.125, -1.375, -0.375]
    assert reweight(rewards, recipes.dr_grpo())["advantage"].to_list() == [1.625, 0.125, -1.375, -0.375]


def test_opo_needs_a_length_where_a_group_trains() -> None:
    # without the last sample: baseline (1*2) / (2 + 2) = 1/2
    samples = frame([1.0, 0.0, 0.0], [1.0, 1.0], n_tokens=[2, 2, None, None, 5])
    found = reweight(samples, recipes.opo())
    assert found["advantage"].to_list() == [0.5, -0.5, None, None, None]
    assert found["drop_reason"].to_list() == [None, None, "no_likelihood", "all_correct", "all_correct"]
    with pytest.raises(ConfigError, match=r"opo reads the column n_tokens.*curate logprob DIR"):
        reweight(frame([1.0, 0.0]), recipes.opo())


def test_opo_of_a_group_without_a_token_takes_the_plain_mean_away() -> None:
    found = reweight(frame([1.0, 0.0], n_tokens=[0, 0]), recipes.opo())
    assert found["advantage"].to_list() == [0.5, -0.5]


# 10 samples are judged; 4 lie in the uniform groups (two of 0, one of 1, one alone). Rewards that are not 0: 2 + 1 + 1 = 4.
GPG = frame([1.0, 0.0, 0.0, 1.0], [0.0, 0.0, None], [1.0, 0.0], [1.0], [None], [0.0])


def test_gpg_makes_up_for_the_samples_without_a_signal() -> None:
    # alpha = 10 / (10 - 4) = 5/3, r - mean = +-1/2
    found = reweight(GPG, recipes.gpg())
    five_sixths = pytest.approx(5 / 6, abs=1e-15)
    assert found["advantage"].to_list() == [
        five_sixths,
        pytest.approx(-5 / 6),
        pytest.approx(-5 / 6),
        five_sixths,
        *[None] * 3,
        five_sixths,
        pytest.approx(-5 / 6),
        *[None] * 3,
    ]
    assert found["drop_reason"].to_list()[4:] == [
        *["all_wrong"] * 2,
        "unjudged",
        *[None] * 2,
        "singleton",
        "unjudged",
        "singleton",
    ]


def test_gpg_as_verl_counts_the_rewards_that_are_not_0() -> None:
    # alpha = 10 / 4
    found = reweight(GPG, recipes.gpg(alpha="verl"))["advantage"].to_list()
    assert found[:4] == [1.25, -1.25, -1.25, 1.25]
    assert reweight(GPG, recipes.gpg(alpha="verl", keep_groups="all"))["advantage"].to_list()[4:6] == [0.0, 0.0]


@pytest.mark.parametrize("alpha", ["official", "verl"])
def test_gpg_of_a_dataset_without_a_signal_is_0(alpha: Any) -> None:
    found = reweight(frame([0.0, 0.0], [0.0, 0.0]), recipes.gpg(alpha=alpha, keep_groups="all"))
    assert found["advantage"].to_list() == [0.0] * 4


def test_gpg_takes_two_alphas() -> None:
    with pytest.raises(ConfigError, match=r'alpha must be "official" \| "verl"'):
        recipes.gpg(alpha="paper")  # type: ignore[arg-type]
