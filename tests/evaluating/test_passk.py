"""pass@k against numbers worked by hand, against exact binomials, and over every subset."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest

from curate.evaluating.passk import chunked_pass_at_k, pass_at_k


@pytest.mark.parametrize(
    ("m", "c", "k", "value"),
    [
        (4, 1, 2, 0.5),
        (8, 2, 4, 1 - 15 / 70),
        (10, 3, 1, 0.3),
        (10, 0, 5, 0.0),
        (10, 10, 1, 1.0),
        (10, 6, 5, 1.0),  # five cannot all be wrong where only four are
        (1, 1, 1, 1.0),
        (1, 0, 1, 0.0),
        (32, 1, 32, 1.0),
        (3, 2, 4, None),
        (0, 0, 1, None),
    ],
)
def test_by_hand(m: int, c: int, k: int, value: float | None) -> None:
    found = pass_at_k(m, c, k)
    assert found == (value if value is None else pytest.approx(value, rel=1e-14))
    assert str(found) != "-0.0"


@pytest.mark.parametrize(
    ("m", "c", "k"), [(512, 3, 64), (512, 400, 8), (100_000, 7, 1000), (1_000_000, 3, 10), (1_000_000, 20, 500_000)]
)
def test_large_counts_against_exact_binomials(m: int, c: int, k: int) -> None:
    few, many = min(c, k), max(c, k)  # C(m-c,k)/C(m,k) = C(m-k,c)/C(m,c): the smaller one is quick to compute exactly
    exact = 1 - Fraction(comb(m - many, few), comb(m, few))
    assert pass_at_k(m, c, k) == pytest.approx(float(exact), rel=1e-12)


def test_it_is_the_mean_over_all_subsets() -> None:
    outcomes = [True, False, False, True, False, False]
    subsets = list(combinations(outcomes, 3))
    assert pass_at_k(6, 2, 3) == pytest.approx(sum(map(any, subsets)) / len(subsets), rel=1e-14)


def test_chunked_takes_blocks_in_order_and_leaves_the_rest_out() -> None:
    outcomes = [False, False, True, False, False, False, True]
    assert chunked_pass_at_k(outcomes, 2) == pytest.approx(1 / 3)
    assert chunked_pass_at_k(outcomes, 3) == 0.5
    assert chunked_pass_at_k(outcomes, 1) == pytest.approx(2 / 7)
    assert chunked_pass_at_k(outcomes, 7) == 1.0
    assert chunked_pass_at_k(outcomes, 8) is None
    assert chunked_pass_at_k([], 1) is None
