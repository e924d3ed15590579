"""The majority vote against hand-counted subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from curate.evaluating.votes import maj_at_k


def vote(votes: list[int], credit: list[float], n_silent: int, k: int, seed: int = 0) -> float | None:
    rng = np.random.default_rng(seed)
    return maj_at_k(np.array(votes, dtype=np.int64), np.array(credit, dtype=float), n_silent, k, rng)


@pytest.mark.parametrize(
    ("votes", "credit", "n_silent", "k", "value"),
    [
        ([3, 2], [1, 0], 0, 5, 1.0),
        ([2, 3], [1, 0], 0, 5, 0.0),
        ([2, 2], [1, 0], 0, 4, 0.5),  # a tie splits the credit
        ([1, 1, 1], [1, 0, 0], 0, 3, 1 / 3),
        ([1], [1], 9, 10, 1.0),  # the silent do not vote
        ([3, 1], [1, 0], 6, 1, 0.3),  # but they are drawn
        ([], [], 4, 2, 0.0),
        ([], [], 4, 4, 0.0),
        ([4], [0.25], 0, 4, 0.25),  # an answer that is right in one of four samples
        ([2, 1], [1, 0], 0, 4, None),
        ([], [], 0, 1, None),
    ],
)
def test_exact_cases(votes: list[int], credit: list[float], n_silent: int, k: int, value: float | None) -> None:
    assert vote(votes, credit, n_silent, k) == (value if value is None else pytest.approx(value))


def test_subsets_come_near_the_mean_over_all_subsets() -> None:
    samples = ["right"] * 4 + ["wrong"] * 5 + ["other"] + [None] * 2
    credits = []
    for subset in combinations(samples, 5):
        count = {a: subset.count(a) for a in subset if a}
        first = [a for a, n in count.items() if n == max(count.values())]
        credits.append(("right" in first) / len(first))
    exact = sum(credits) / len(credits)
    found = [vote([4, 5, 1], [1, 0, 0], 2, 5, seed) for seed in range(40)]
    assert sum(v or 0 for v in found) / 40 == pytest.approx(exact, abs=0.015)


def test_a_seed_gives_one_value() -> None:
    assert vote([4, 5, 1], [1, 0, 0], 2, 5, 7) == vote([4, 5, 1], [1, 0, 0], 2, 5, 7)
