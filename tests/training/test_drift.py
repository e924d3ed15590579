"""Drift statistics by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curate.training.drift import Drift, drift, join, rank_agreement, sequence_sums

OLD = torch.tensor([[-1.0, -2.0], [-1.0, -9.0], [-3.0, -3.0]])
MASK = torch.tensor([[1, 1], [1, 0], [0, 0]])
# d: .1, -.2 | .3
NEW = torch.tensor([[-0.9, -2.2], [-0.7, 5.0], [0.0, 0.0]])


def test_by_hand() -> None:
    got = drift(sequence_sums(NEW, OLD, MASK), {"tokens": 3.0, "clipped": 1.0, "entropy": 6.0})
    assert (got.n_sequences, got.n_tokens) == (2, 3)
    assert got.mean_log_ratio == pytest.approx(0.2 / 3, abs=1e-6)
    assert got.p99_log_ratio == pytest.approx(0.3)
    k3 = (math.exp(0.1) - 1.1) + (math.exp(-0.2) - 0.8) + (math.exp(0.3) - 1.3)
    assert got.k3 == pytest.approx(k3 / 3, abs=1e-6)
    w = math.exp(-0.1), math.exp(0.3)
    assert got.effective_samples == pytest.approx(sum(w) ** 2 / (w[0] ** 2 + w[1] ** 2), abs=1e-6)
    assert (got.clip_fraction, got.entropy) == (pytest.approx(1 / 3), pytest.approx(2.0))


def test_at_old_nothing_has_moved() -> None:
    got = drift(sequence_sums(OLD, OLD, MASK))
    assert got == Drift(2, 3, 0.0, 0.0, 0.0, pytest.approx(2.0))


def test_no_token_gives_nulls() -> None:
    assert drift(join([])) == Drift(0, 0)
    assert drift(sequence_sums(NEW, OLD, MASK * 0)) == Drift(0, 0)


def test_long_sequences_do_not_overflow() -> None:
    old = torch.full((2, 2000), -3.0)
    new = torch.stack([old[0] + 2.5, old[1] - 5.0])
    got = drift(sequence_sums(new, old, torch.ones(2, 2000)))
    assert got.effective_samples == pytest.approx(1.0)


def test_the_99th_percentile_is_of_tokens() -> None:
    new = torch.arange(1.0, 201.0).view(1, 200) / 100
    assert drift(sequence_sums(new, torch.zeros(1, 200), torch.ones(1, 200))).p99_log_ratio == pytest.approx(1.98)


@given(st.lists(st.floats(-9, 0), min_size=12, max_size=12), st.lists(st.floats(-9, 0), min_size=12, max_size=12))
def test_parts_joined_are_the_whole(new: list[float], old: list[float]) -> None:
    new_BT, old_BT, mask = torch.tensor(new).view(6, 2), torch.tensor(old).view(6, 2), torch.ones(6, 2)
    parts = [sequence_sums(new_BT[rows], old_BT[rows], mask[rows]) for rows in (slice(0, 4), slice(4, 6))]
    whole = drift(sequence_sums(new_BT, old_BT, mask))
    assert drift(join(parts)) == whole
    assert whole.k3 is not None
    assert whole.effective_samples is not None
    assert whole.k3 >= 0.0
    assert 1 - 1e-9 <= whole.effective_samples <= 6 + 1e-9


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
