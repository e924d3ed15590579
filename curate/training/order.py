"""Which rows train in which optimiser step, micro-batch and process: a function of seed and epoch alone.

An optimiser step takes ``batch_size`` rows of the epoch's permutation, sorts them by length and deals them to the
micro-batches of all processes, so that rows of one length meet, and every process runs the same number of micro-batches
also in the last, shorter step. Sums over a step do not depend on how its rows are dealt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curate.errors import ConfigError

Micro = NDArray[np.int64]
MICRO_ROWS = 256


@dataclass(frozen=True)
class Order:
    """The order of all steps. ``lengths`` (N,) are tokens a row; ``n_micro`` micro-batches make a step of one process."""

    lengths: NDArray[np.int64]
    batch_size: int
    micro_batch_size: int
    world_size: int
    seed: int

    @property
    def n_micro(self) -> int:
        """Micro-batches a process runs in a whole step."""
        return math.ceil(self.batch_size / (self.micro_batch_size * self.world_size))

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass over the rows."""
        return math.ceil(len(self.lengths) / self.batch_size)

    def epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the rows of every step of an epoch."""
        rows = np.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))
        return [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]

    def deal(self, step: NDArray[np.int64], rank: int) -> list[Micro]:
        """Return the micro-batches of one process in a step; where rows are few, some may be empty."""
        by_length = step[np.argsort(self.lengths[step], kind="stable")[::-1]]
        n_micro = math.ceil(len(step) / (self.micro_batch_size * self.world_size))
        micros = np.array_split(by_length, n_micro * self.world_size)
        return micros[rank :: self.world_size]


class Batches(torch.utils.data.Sampler[list[int]]):
    """Yield the micro-batches of one process, epoch after epoch; ``set_epoch`` chooses the epoch.

    It deals by rank itself, so accelerate must not shard it again.
    """

    def __init__(self, order: Order, rank: int) -> None:
        self.order = order
        self.rank = rank
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration yields."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.order.epoch(self._epoch):
            for micro in self.order.deal(step, self.rank):
                yield micro.tolist()

    def __len__(self) -> int:
        whole, rest = divmod(len(self.order.lengths), self.order.batch_size)
        last = math.ceil(rest / (self.order.micro_batch_size * self.order.world_size))
        return whole * self.order.n_micro + last


def n_steps(order: Order, n_trained: NDArray[np.int64], epochs: int | None, max_tokens: int | None) -> int:
    """Return how many optimiser steps to run: all of ``epochs``, or until ``max_tokens`` trained tokens are reached.

    ``n_trained`` (N,) are trained tokens a row. The step that reaches the limit is the last. Without a number of epochs
    the rows repeat until then; with neither they run once.
    """
    if max_tokens is None:
        return (epochs or 1) * order.steps_per_epoch
    left, steps, epoch = max_tokens, 0, 0
    if epochs is None:
        whole = (max_tokens - 1) // int(n_trained.sum())
        left, steps, epoch = left - whole * int(n_trained.sum()), whole * order.steps_per_epoch, whole
    while epochs is None or epoch < epochs:
        for step in order.epoch(epoch):
            steps += 1
            left -= int(n_trained[step].sum())
            if left <= 0:
                return steps
        epoch += 1
    return steps


def micro_batch_rows(batch_size: int, asked: int | None, world_size: int, longest: int, n_tokens: int) -> int:
    """Return the rows of a micro-batch: those asked for, else as many as ``n_tokens`` and 256 rows allow.

    ``longest`` is the longest row in tokens. Raises ConfigError where a step of all processes has fewer rows than that.
    """
    a_process = math.ceil(batch_size / world_size)
    if asked is None:
        most = max(1, min(MICRO_ROWS, n_tokens // longest))
        return math.ceil(a_process / math.ceil(a_process / most))
    if asked > a_process:
        raise ConfigError(
            f"micro_batch_size {asked} is more than batch_size {batch_size} gives each of {world_size} process(es): "
            f"{a_process} at most"
        )
    return asked
