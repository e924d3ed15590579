"""A key-value cache for sampling: one row a prompt becomes one row a sample, finished rows leave, steps copy nothing."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 16  # positions; a full buffer grows by these and an eighth of its length


class GrowingLayer(DynamicLayer):
    """One layer's keys and values (N, heads, positions, D) in buffers with room behind the last position.

    transformers' own layer copies everything at every step: a third of the time of a small model on a CPU.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._place(keys, values)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new positions behind the old ones and return all of them."""
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._place(self.keys, self.values, end - start)
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep only these rows."""
        self._place(self.keys[indices], self.values[indices])

    def _place(self, keys: torch.Tensor, values: torch.Tensor, n_new: int = 0) -> None:
        n = keys.shape[-2]
        room = n_new + ROOM + n // 8
        self._buffers = [each.new_empty(*each.shape[:2], n + room, each.shape[-1]) for each in (keys, values)]
        self.keys, self.values = (buffer[:, :, :n] for buffer in self._buffers)
        self.keys.copy_(keys)
        self.values.copy_(values)


def expand(cache: Cache, rows: torch.Tensor) -> None:
    """Make row i of the cache a copy of the present row ``rows[i]``, in place, with room to grow.

    Layers of other kinds (sliding windows, linear attention) are expanded as they are.
    """
    for place, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[place] = GrowingLayer(layer.keys[rows], layer.values[rows])
        else:
            layer.batch_select_indices(rows)


def keep(cache: Cache, rows: torch.Tensor) -> None:
    """Keep only these rows of the cache, in place."""
    for layer in cache.layers:
        layer.batch_select_indices(rows)
