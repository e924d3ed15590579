"""Which rows meet in a step: every row once an epoch, alike on every number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.training.order import Batches, Order, micro_batch_rows, n_steps

LENGTHS = np.array([5, 1, 9, 2, 2, 7, 3, 8, 1, 6, 4])


def order(batch_size: int, micro: int, world_size: int = 1) -> Order:
    return Order(LENGTHS, batch_size, micro, world_size, seed=3)


@pytest.mark.parametrize(("micro", "world_size"), [(4, 1), (2, 1), (1, 2), (2, 2), (1, 4), (3, 1)])
def test_every_row_trains_once_and_steps_are_the_same_on_any_number_of_processes(micro: int, world_size: int) -> None:
    dealt = order(4, micro, world_size)
    ranks = []
    for rank in range(world_size):
        batches = Batches(dealt, rank)
        batches.set_epoch(2)
        ranks.append(list(batches))
        assert len(ranks[-1]) == len(batches)
        assert all(len(batch) <= micro for batch in ranks[-1])
    assert sorted(row for rank in ranks for batch in rank for row in batch) == list(range(11))
    for number, step in enumerate(order(4, 4).epoch(2)):
        window = slice(number * dealt.n_micro, (number + 1) * dealt.n_micro)
        assert sorted(row for rank in ranks for batch in rank[window] for row in batch) == sorted(step.tolist())


def test_rows_of_one_length_meet() -> None:
    dealt = order(8, 2)
    step = dealt.epoch(0)[0]
    micros = [LENGTHS[micro].tolist() for micro in dealt.deal(step, 0)]
    assert [length for micro in micros for length in micro] == sorted(LENGTHS[step].tolist(), reverse=True)


def test_epochs_differ_and_are_repeatable() -> None:
    first, second = ([step.tolist() for step in order(4, 4).epoch(epoch)] for epoch in (0, 1))
    assert first != second
    assert first == [step.tolist() for step in order(4, 2, 2).epoch(0)]


def test_a_process_without_rows_in_the_last_step_gets_an_empty_micro_batch() -> None:
    dealt = Order(np.ones(5, np.int64), 4, 2, 2, seed=0)
    assert [len(list(Batches(dealt, rank))) for rank in (0, 1)] == [2, 2]
    assert sorted(len(list(Batches(dealt, rank))[-1]) for rank in (0, 1)) == [0, 1]


def test_the_number_of_steps() -> None:
    dealt, tokens = order(4, 4), np.full(11, 10)
    assert n_steps(dealt, tokens, None, None) == 3
    assert n_steps(dealt, tokens, 2, None) == 6
    assert n_steps(dealt, tokens, None, 40) == 1
    assert n_steps(dealt, tokens, None, 41) == 2
    assert n_steps(dealt, tokens, None, 110) == 3
    assert n_steps(dealt, tokens, None, 111) == 4
    assert n_steps(dealt, tokens, None, 110_000_000 + 1) == 3_000_001
    assert n_steps(dealt, tokens, 1, 1_000) == 3


def test_the_rows_of_a_micro_batch() -> None:
    assert micro_batch_rows(8, 2, 1, 10, 100) == 2
    assert micro_batch_rows(8, None, 1, 10, 100) == 8
    assert micro_batch_rows(8, None, 1, 20, 100) == 4
    assert micro_batch_rows(8, None, 2, 1000, 100) == 1
    assert micro_batch_rows(1024, None, 1, 1, 10**6) == 256
    with pytest.raises(ConfigError, match="4 at most"):
        micro_batch_rows(8, 5, 2, 10, 100)
