"""A shaping of strength 0 and a gate that lets everything through change nothing, on any dataset."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.reweighting import compose, estimators, gates, recipes, reweight, shaping, with_gate
from curate.reweighting.recipe import Recipe
from reweighting_case import datasets, every_recipe, frame_of

COMPUTED = ["shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"]
KNOWN = ["n_tokens", "mean_logprob", "sum_logprob", "answer_mean_logprob", "score_clarity"]

PLAIN = compose(estimators.grpo(), gate=[gates.not_all_wrong()])
AT_0 = {
    "overlong": (shaping.overlong(8, 4, factor=0), PLAIN),
    "kimi_length": (shaping.kimi_length(weight=0), PLAIN),
    "lead_length": (shaping.lead_length(alpha=0), PLAIN),
    "care": (shaping.care(lambda_care=0), PLAIN),
    "variance_increase": (shaping.variance_increase(), PLAIN),
    "sum_then_normalise": (shaping.sum_then_normalise({"reward": 1.0}), PLAIN),
}


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    for column in COMPUTED:
        assert found[column].to_list() == pytest.approx(expected[column].to_list(), abs=1e-9)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(datasets, st.sampled_from(sorted(AT_0)))
def test_a_shaping_of_strength_0_is_none(groups: list[list[dict[str, Any]]], name: str) -> None:
    frame = frame_of(groups).with_columns(pl.col(KNOWN).fill_null(-1).abs() * -1).with_columns(pl.col("n_tokens").abs())
    made, plain = AT_0[name]
    shaped = compose(estimators.grpo(), shape=[made], gate=[gates.not_all_wrong()])
    assert_same(reweight(frame, shaped), reweight(frame, plain))


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(datasets, st.sampled_from(list(every_recipe().values())))
def test_a_gate_that_lets_everything_through_is_none(groups: list[list[dict[str, Any]]], recipe: Recipe) -> None:
    frame = frame_of(groups).with_columns(finish_reason=pl.lit("stop"))
    for gate in (gates.accuracy_band(0, 1), gates.drop_truncated()):
        assert_same(reweight(frame, with_gate(recipe, gate)), reweight(frame, recipe))


@settings(max_examples=60, deadline=None)
@given(datasets, st.sampled_from(list(every_recipe().values())), st.sampled_from([0.25, 0.5, 0.75]))
def test_a_narrower_band_only_drops(groups: list[list[dict[str, Any]]], recipe: Recipe, low: float) -> None:
    if recipe.reads_dataset:
        return  # its other samples then have other sums to be compared with
    frame = frame_of(groups)
    plain, banded = reweight(frame, recipe), reweight(frame, with_gate(recipe, gates.accuracy_band(low, 1)))
    kept = banded["drop_reason"].is_null()
    assert plain["drop_reason"].filter(kept).null_count() == kept.sum()
    assert banded["advantage"].filter(kept).to_list() == plain["advantage"].filter(kept).to_list()


def test_the_limits_of_named_recipes() -> None:
    frame = frame_of([[{"reward": r, **dict.fromkeys(KNOWN, -1.0)} for r in (1.0, 0.0, 0.0)]]).with_columns(n_tokens=9)
    grpo = reweight(frame, recipes.grpo())["advantage"].to_list()
    for same in (recipes.dapo(10, 5, factor=0), recipes.srpo(), recipes.grpovi()):
        assert reweight(frame, same)["advantage"].to_list() == pytest.approx(grpo, abs=1e-12)
