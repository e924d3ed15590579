"""Intervals against scipy's numbers, Newcombe's published ones, and their edge cases."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from curate.evaluating.intervals import bca, mean_over_prompts, resampled_means, wilson


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.0, 0.25, 0.5, 1.0, 1.0], 0.2, 0.9),
        ([0.0, 0.0, 0.0, 0.1, 0.9], 0.0, 0.72),
        ([-0.5, 0.0, 0.0, 0.25, 1.0, 0.1], -0.15, 0.5833333333333334),
    ],
)
def test_bca_of_every_possible_resample_is_scipy_s(values: list[float], low: float, high: float) -> None:
    # scipy 1.17.1: bootstrap((values,), np.mean, n_resamples=0, bootstrap_result=<all n**n means>, method="BCa")
    means = np.array([sum(resample) / len(values) for resample in product(values, repeat=len(values))])
    assert bca(np.array(values), means) == pytest.approx((low, high), abs=1e-12)


def test_bca_of_random_resamples_is_near_scipy_s() -> None:
    values = np.array([0.43, 0.06, 0, 0.26, 0.1, 0.02, 0.39, 0.01, 0.13, 0.48, 0.8, 0, 0.25, 0.96, 0.05, 0.51])
    # scipy 1.17.1: bootstrap((values,), np.mean, n_resamples=200_000, method="BCa", random_state=0)
    found = bca(values, resampled_means(values, 0, 100_000))
    assert found == pytest.approx((0.1594, 0.4469), abs=0.003)


@pytest.mark.parametrize(
    ("n_successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_table(n_successes: int, n: int, low: float, high: float) -> None:
    assert wilson(n_successes, n) == pytest.approx((low, high), abs=5e-5)  # Newcombe 1998, table I, method 3


def test_wilson_is_symmetric_and_ends_at_the_ends() -> None:
    assert wilson(20, 20) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 1)[0] == 0.0


def test_all_or_none_solved_gets_wilson_not_a_point() -> None:
    none = mean_over_prompts([0.0] * 20, is_share=True)
    assert (none.value, none.method, none.low) == (0.0, "wilson", 0.0)
    assert none.high == pytest.approx(0.1611, abs=5e-5)
    some = mean_over_prompts([1.0] + [0.0] * 28, is_share=True)
    assert (some.method, some.low) == ("wilson", pytest.approx(0.0061, abs=5e-5))
    assert mean_over_prompts([0.5] + [0.0] * 28, is_share=True).method == "bca"


def test_no_spread_and_no_prompt_give_no_interval() -> None:
    same = mean_over_prompts([0.5] * 7, is_share=True)
    assert (same.value, same.low, same.high, same.method, same.n_prompts) == (0.5, None, None, "none", 7)
    one = mean_over_prompts([3.0])
    assert (one.value, one.low, one.method) == (3.0, None, "none")
    nobody = mean_over_prompts([])
    assert (nobody.value, nobody.low, nobody.method, nobody.n_prompts) == (None, None, "none", 0)


def test_unknown_values_are_left_out() -> None:
    values = [0.1, float("nan"), 0.4, 0.7, float("nan")]
    assert mean_over_prompts(values) == mean_over_prompts([0.1, 0.4, 0.7])
    assert mean_over_prompts(values).n_prompts == 3


def test_a_seed_gives_one_interval_in_any_order_of_prompts() -> None:
    values = np.linspace(0, 1, 50) ** 2
    assert mean_over_prompts(values, seed=3) == mean_over_prompts(values[::-1], seed=3)
    assert mean_over_prompts(values, seed=3) != mean_over_prompts(values, seed=4)


def test_few_distinct_values_are_resampled_alike() -> None:
    few = np.repeat([0.0, 0.25, 1.0], [60, 30, 10])
    assert len(np.unique(few)) * 8 <= len(few)
    slightly = few + np.arange(100) * 1e-9  # all distinct, so drawn one by one
    quick, slow = (bca(v, resampled_means(v, 0, 20_000)) for v in (few, slightly))
    assert quick == pytest.approx(slow, abs=0.01)
