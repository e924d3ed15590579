"""Drift statistics by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curate.training.drift import Drift, drift, rank_agreement, sequence_sums


def moved(*sequences: list[float]) -> Drift:
    """Return the drift of sequences given by the d of their tokens."""
    owner = [number for number, values in enumerate(sequences) for _ in values]
    d = [value for values in sequences for value in values]
    return drift(sequence_sums(torch.tensor(d, dtype=torch.float64), torch.tensor(owner, dtype=torch.long)))


def test_by_hand() -> None:
    got = moved([0.1, -0.2], [], [0.3])
    assert (got.n_sequences, got.n_tokens) == (2, 3)
    assert got.mean_log_ratio == pytest.approx(0.2 / 3)
    assert got.p99_log_ratio == pytest.approx(0.3)
    assert got.k3 == pytest.approx(((math.exp(0.1) - 1.1) + (math.exp(-0.2) - 0.8) + (math.exp(0.3) - 1.3)) / 3)
    w = math.exp(-0.1), math.exp(0.3)
    assert got.effective_samples == pytest.approx(sum(w) ** 2 / (w[0] ** 2 + w[1] ** 2))


def test_at_old_nothing_has_moved() -> None:
    assert moved([0.0, 0.0], [0.0]) == Drift(2, 3, 0.0, 0.0, 0.0, pytest.approx(2.0))


def test_no_token_gives_nulls() -> None:
    assert moved() == Drift(0, 0)


def test_long_sequences_do_not_overflow() -> None:
    got = moved([2.5] * 2000, [-5.0] * 2000)
    assert got.effective_samples == pytest.approx(1.0)


def test_a_log_ratio_is_cut_at_20() -> None:
    assert moved([-1000.0]).mean_log_ratio == -20.0


def test_the_99th_percentile_is_of_tokens() -> None:
    assert moved([n / 100 for n in range(1, 151)], [-n / 100 for n in range(151, 201)]).p99_log_ratio == pytest.approx(
        1.98
    )


@given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=6))
def test_bounds(sequences: list[list[float]]) -> None:
    got = moved(*sequences)
    assert got.k3 is not None
    assert got.effective_samples is not None
    assert got.k3 >= 0.0
    assert 1 - 1e-9 <= got.effective_samples <= len(sequences) + 1e-9


@pytest.mark.parametrize(
    ("old", "new", "group", "tau"),
    [
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0], 1.0),
        ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0, 0, 0, 0], -1.0),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], [0, 0, 0, 0], 4 / 6),
        ([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0], 5 / math.sqrt(5 * 6)),
        ([1.0, 2.0, 9.0, 2.0, 1.0], [1.0, 2.0, 9.0, 1.0, 2.0], [7, 7, 8, 9, 9], 0.0),
        ([1.0, 2.0, 1.0, 1.0], [1.0, 2.0, 1.0, 2.0], [7, 7, 8, 8], 1.0),
        ([1.0, 2.0], [1.0, 2.0], [0, 1], None),
        ([5.0, 5.0], [1.0, 2.0], [0, 0], None),
        ([], [], [], None),
    ],
)
def test_rank_agreement(old: list[float], new: list[float], group: list[int], tau: float | None) -> None:
    got = rank_agreement(old, new, group)
    assert got == (None if tau is None else pytest.approx(tau))


def test_groups_need_not_be_contiguous() -> None:
    assert rank_agreement([1.0, 2.0, 2.0, 1.0], [1.0, 1.0, 2.0, 2.0], [0, 1, 0, 1]) == 0.0
