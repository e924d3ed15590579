"""Laws of single recipes and estimators, by hypothesis; those of all recipes are in test_every_recipe.py."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.estimators.grpo import standardize

COMPUTED = ["shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]

samples = st.fixed_dictionaries(
    {
        "reward": st.sampled_from([0.0, 0.0, 1.0, None]),
        "mean_logprob": st.sampled_from([None, -0.5, -1.0, -1.5, -2.0]),
        "rts": st.sampled_from([None, 0.0, 0.25, 0.5, 0.75]),
        "diversity": st.sampled_from([None, 0.0, 0.25, 0.5]),
    }
)
datasets = st.lists(st.lists(samples, min_size=1, max_size=7), min_size=1, max_size=5)


def frame_of(groups: list[list[dict[str, Any]]]) -> pl.DataFrame:
    schema = {
        "group_id": pl.Int64,
        "sample_index": pl.Int32,
        "reward": pl.Float64,
        "mean_logprob": pl.Float64,
        "rts": pl.Float64,
        "diversity": pl.Float64,
    }
    rows = [
        {"group_id": -g, "sample_index": i, **sample}
        for g, group in enumerate(groups)
        for i, sample in enumerate(group)
    ]
    return pl.DataFrame(rows, schema=schema)


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    for column in COMPUTED:
        assert found[column].to_list() == pytest.approx(expected[column].to_list(), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(datasets, st.sampled_from(["mixed", "not_all_correct", "all"]))
def test_beta_rank_0_is_grpo(groups: list[list[dict[str, Any]]], keep_groups: Any) -> None:
    frame = frame_of(groups).with_columns(pl.col("mean_logprob").fill_null(-3.0))
    unlikely = reweight(frame, recipes.unlikely_grpo(beta_rank=0, keep_groups=keep_groups))
    assert_same(unlikely, reweight(frame, recipes.grpo(keep_groups=keep_groups)))


@settings(max_examples=40, deadline=None)
@given(datasets, st.sampled_from(["mixed", "not_all_correct", "all"]))
def test_lambda_div_0_is_dr_grpo(groups: list[list[dict[str, Any]]], keep_groups: Any) -> None:
    frame = frame_of(groups).with_columns(pl.col("diversity").fill_null(0.75))
    diverse = reweight(frame, recipes.diverse_grpo(lambda_div=0, keep_groups=keep_groups))
    assert_same(diverse, reweight(frame, recipes.dr_grpo(keep_groups=keep_groups)))


@settings(max_examples=40, deadline=None)
@given(datasets, st.floats(0, 4), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_one_diversity_for_all_is_dr_grpo_of_a_larger_reward(
    groups: list[list[dict[str, Any]]], lambda_div: float, diversity: float
) -> None:
    frame = frame_of(groups).with_columns(diversity=pl.lit(diversity))
    diverse = reweight(frame, recipes.diverse_grpo(lambda_div=lambda_div))
    plain = reweight(frame, recipes.dr_grpo())
    factor = 1 + lambda_div * diversity
    assert diverse["drop_reason"].to_list() == plain["drop_reason"].to_list()
    expected = [None if a is None else a * factor for a in plain["advantage"]]
    assert diverse["advantage"].to_list() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(datasets, st.sampled_from(["mixed", "not_all_correct", "all"]))
def test_rloo_is_dr_grpo_times_g_over_g_minus_1(groups: list[list[dict[str, Any]]], keep_groups: Any) -> None:
    rloo = reweight(frame_of(groups), recipes.rloo(keep_groups=keep_groups))
    scaled = pl.col("advantage") * pl.col("group_size") / (pl.col("group_size") - 1)
    dr_grpo = reweight(frame_of(groups), recipes.dr_grpo(keep_groups=keep_groups)).with_columns(advantage=scaled)
    assert_same(rloo, dr_grpo)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.75, 1.0]), min_size=2, max_size=7))
def test_a_steep_spectral_grade_is_grpo_on_past_the_middle_or_not(rts: list[float]) -> None:
    wrong = frame_of([[{"reward": 0.0, "mean_logprob": None, "rts": score} for score in rts]])
    steep = reweight(wrong, recipes.spectral_grpo(beta=1e4, keep_groups="all"))
    past = wrong.with_columns(reward=(pl.col("rts") > 0.5).cast(pl.Float64))
    expected = reweight(past, recipes.grpo(keep_groups="all"))
    assert steep["advantage"].to_list() == pytest.approx(expected["advantage"].to_list(), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.75, 1.0]), min_size=2, max_size=7))
def test_a_flat_spectral_grade_is_linear(rts: list[float]) -> None:
    wrong = frame_of([[{"reward": 0.0, "mean_logprob": None, "rts": score} for score in rts]])
    flat = reweight(wrong, recipes.spectral_grpo(beta=1e-3, eps=0, keep_groups="all"))
    linear = reweight(wrong, recipes.spectral_grpo(curve="linear", eps=0, keep_groups="all"))
    assert flat["advantage"].to_list() == pytest.approx(linear["advantage"].to_list(), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-100, 100), min_size=2, max_size=12).filter(lambda rewards: len(set(rewards)) > 1),
    st.floats(0.01, 100),
    st.floats(-100, 100),
)
def test_standardize_forgets_scale_and_offset(rewards: list[int], scale: float, offset: float) -> None:
    frame = pl.DataFrame({"r": [float(reward) for reward in rewards]})
    plain = frame.select(standardize(0.0)(pl.col("r"))).to_series()
    moved = frame.select(standardize(0.0)(pl.col("r") * scale + offset)).to_series()
    # An offset of 1e4 times the spread costs four of the sixteen digits.
    assert moved.to_list() == pytest.approx(plain.to_list(), abs=1e-10)
