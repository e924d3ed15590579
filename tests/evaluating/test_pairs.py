"""Paired comparisons, counted by hand."""

from __future__ import annotations

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.evaluating import Evaluation, compare_pair, evaluate_frame


def evaluation(correct_of_4: dict[str, int], ks: list[int] | None = None) -> Evaluation:
    rows = [
        {"prompt_id": p, "group_id": g, "sample_index": i, "outcome": "correct" if i < c else "incorrect"}
        for g, (p, c) in enumerate(correct_of_4.items())
        for i in range(4)
    ]
    return evaluate_frame(pl.DataFrame(rows), ks or [1, 2, 8])


def test_differences_are_taken_prompt_by_prompt() -> None:
    base = evaluation({"a": 0, "b": 2, "c": 4, "d": 1})
    policy = evaluation({"d": 2, "c": 3, "b": 2, "a": 2})
    pair = compare_pair(base, policy, 1)
    assert pair.difference.value == pytest.approx((0.5 + 0 - 0.25 + 0.25) / 4)
    assert (pair.n_wins, pair.n_ties, pair.n_losses) == (2, 1, 1)
    assert pair.difference.method == "bca"
    low, high = pair.difference.low, pair.difference.high
    assert low is not None
    assert high is not None
    assert -0.25 <= low < 0.125 < high <= 0.5
    back = compare_pair(policy, base, 1)
    assert back.difference.value == pytest.approx(-0.125)
    assert (back.n_wins, back.n_losses) == (1, 2)


def test_only_common_prompts_are_compared_and_the_others_counted() -> None:
    pair = compare_pair(evaluation({"a": 0, "b": 2}), evaluation({"b": 4, "c": 1, "d": 1}), 1)
    assert (pair.difference.value, pair.difference.n_prompts) == (0.5, 1)
    assert (pair.n_only_baseline, pair.n_only_policy, pair.n_short) == (1, 2, 0)


def test_no_common_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="no prompt_id in common"):
        compare_pair(evaluation({"a": 0}), evaluation({"b": 0}), 1)


def test_the_same_policy_differs_by_nothing_and_has_no_interval() -> None:
    one = evaluation({"a": 0, "b": 2, "c": 4})
    pair = compare_pair(one, one, 2)
    assert (pair.difference.value, pair.difference.low, pair.difference.method) == (0.0, None, "none")
    assert pair.n_ties == 3


def test_a_k_beyond_the_samples_is_short_not_a_tie() -> None:
    pair = compare_pair(evaluation({"a": 0}), evaluation({"a": 1}), 8)
    assert (pair.difference.value, pair.n_ties, pair.n_short) == (None, 0, 1)
