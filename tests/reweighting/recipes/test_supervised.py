"""rwr, best_of_n, top_k and expo, worked by hand, and against plain Python over every draw."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.reweighting import Recipe, recipes
from curate.reweighting.apply import reweight


def frame(*groups: list[float | None]) -> pl.DataFrame:
    """Return a row a sample; rewards above 0.5 are correct."""
    rows = [
        (g, i, reward, None if reward is None else "correct" if reward > 0.5 else "incorrect")
        for g, group in enumerate(groups)
        for i, reward in enumerate(group)
    ]
    return pl.DataFrame(rows, schema=["group_id", "sample_index", "reward", "outcome"], orient="row")


def weights(recipe: Recipe, *groups: list[float | None]) -> list[float | None]:
    found = reweight(frame(*groups), recipe)
    kept = found.filter(pl.col("drop_reason").is_null())
    assert kept["advantage"].to_list() == [1.0] * kept.height
    return found["weight"].to_list()


def test_rwr_weighs_by_the_exponential_of_the_reward() -> None:
    # exp(1 / 0.5) = e^2, exp(0) = 1, exp(-1 / 0.5) = e^-2
    found = weights(recipes.rwr(temperature=0.5), [1.0, 0.0, -1.0, None], [0.0], [1.0, 1.0])
    assert found == pytest.approx([math.e**2, 1.0, math.e**-2, None, 1.0, math.e**2, math.e**2])


def test_rwr_stays_finite() -> None:
    high, low = weights(recipes.rwr(temperature=1e-3), [1.0, -1.0])
    assert high == pytest.approx(math.exp(60))
    assert low == 0.0


def test_best_of_n_is_the_chance_to_be_the_best_of_a_draw() -> None:
    # G = 4, c = 2, n = 2: pass@2 = 1 - C(2,2)/C(4,2) = 5/6, half for each correct one.
    assert weights(recipes.best_of_n(n=2), [1.0, 0.0, 1.0, 0.0]) == pytest.approx([5 / 12, None, 5 / 12, None])
    # Real rewards .6 < .8 < 1, n = 2 of 3: the best of (C(3,2) - C(2,2)) = 2 of 3 draws, the middle of 1, the least of 0.
    assert weights(recipes.best_of_n(n=2), [0.6, 1.0, 0.8]) == pytest.approx([None, 2 / 3, 1 / 3])
    # A group smaller than n is one draw; an all-correct one shares it.
    assert weights(recipes.best_of_n(n=8), [1.0, 1.0, 0.0], [1.0], [0.0]) == pytest.approx([0.5, 0.5, None, 1.0, None])


def test_top_k_shares_the_last_places() -> None:
    assert weights(recipes.top_k(k=1), [1.0, 0.0, 1.0, None]) == [0.5, None, 0.5, None]
    assert weights(recipes.top_k(k=3), [0.9, 0.7, 0.7, 0.6, 1.0]) == [1.0, 0.5, 0.5, None, 1.0]
    assert weights(recipes.top_k(k=3), [1.0, 0.0, 0.0, 0.0]) == [1.0, None, None, None]


def test_expo_gives_a_small_weight_to_what_is_correct() -> None:
    assert weights(recipes.expo(), [0.0, 0.0, 1.0], [0.0, 0.0]) == [None, None, 0.04, None, None]
    assert weights(recipes.expo(weight=0.5), [1.0]) == [0.5]


@pytest.mark.parametrize("recipe", [recipes.best_of_n(n=2), recipes.top_k(k=2), recipes.expo()], ids=lambda r: r.name)
def test_what_does_not_train_has_a_reason(recipe: Recipe) -> None:
    found = reweight(frame([1.0, 0.0, None], [0.0, 0.0], [None]), recipe)
    assert found["drop_reason"].to_list() == [None, "gated", "unjudged", "all_wrong", "all_wrong", "unjudged"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: recipes.rwr(temperature=0), "temperature must be above 0"),
        (lambda: recipes.best_of_n(n=0), "n must be in 1..1024"),
        (lambda: recipes.best_of_n(n=2000), "n must be in 1..1024"),
        (lambda: recipes.top_k(k=0), "k must be at least 1"),
        (lambda: recipes.expo(weight=0), "weight must be above 0"),
    ],
)
def test_parameters_out_of_range_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def best_of_every_draw(rewards: list[float], n: int) -> list[float]:
    """Return how often each sample is the best of a draw, over all draws of n, ties split evenly."""
    draws = list(combinations(range(len(rewards)), min(n, len(rewards))))
    taken = [0.0] * len(rewards)
    for draw in draws:
        top = max(rewards[i] for i in draw)
        best = [i for i in draw if rewards[i] == top]
        for i in best:
            taken[i] += 1 / len(best) / len(draws)
    return taken


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.6, 0.8, 1.0]), min_size=1, max_size=7), st.integers(1, 8))
def test_best_of_n_against_every_draw(rewards: list[float], n: int) -> None:
    expected = [
        w if reward > 0.5 and w > 0 else None for w, reward in zip(best_of_every_draw(rewards, n), rewards, strict=True)
    ]
    assert weights(recipes.best_of_n(n=n), list(rewards)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.6, 0.8, 1.0]), min_size=1, max_size=7), st.integers(1, 8))
def test_top_k_against_plain_python(rewards: list[float], k: int) -> None:
    expected = []
    for reward in rewards:
        places = k - sum(other > reward for other in rewards)
        share = min(1.0, max(0.0, places / rewards.count(reward)))
        expected.append(share if reward > 0.5 and share > 0 else None)
    assert weights(recipes.top_k(k=k), list(rewards)) == pytest.approx(expected)


def test_a_draw_of_a_thousand_is_no_deep_expression() -> None:
    found = weights(recipes.best_of_n(n=1000), [1.0] + [0.0] * 2000)
    assert found[0] == pytest.approx(1000 / 2001)
