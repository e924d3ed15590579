"""A key-value cache for sampling: its rows branch, leave and move, and a step copies nothing that does not."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

ROOM = 16  # positions; a full buffer grows by these and an eighth of its length


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values (N, heads, positions, D) in buffers with room for ``max_rows`` and more positions.

    transformers' own layer copies everything at every step: a third of the time of a small model on a CPU.
    """

    _keys: torch.Tensor
    _values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, max_rows: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._max_rows = max_rows
        self._place(keys, values)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new positions behind the old ones and return all of them."""
        n_rows, start = key_states.shape[0], self._length
        end = start + key_states.shape[-2]
        if end > self._keys.shape[-2]:
            self._place(self._keys[:n_rows, :, :start], self._values[:n_rows, :, :start], end - start)
        self._keys[:n_rows, :, start:end] = key_states
        self._values[:n_rows, :, start:end] = value_states
        return self._show(n_rows, end)

    def move(self, source: torch.Tensor, target: torch.Tensor, n_rows: int) -> None:
        """Copy rows ``source`` to the places ``target``, none of them a source, and keep the first ``n_rows``."""
        n = self._length
        for buffer in (self._keys, self._values):
            buffer[target, :, :n] = buffer[source, :, :n]
        self._show(n_rows, n)

    def _place(self, keys: torch.Tensor, values: torch.Tensor, n_new: int = 0) -> None:
        """Copy keys and values into new buffers, with room for ``n_new`` positions and more."""
        n_rows, n_heads, n, width = keys.shape
        shape = (self._max_rows, n_heads, n + n_new + ROOM + n // 8)
        self._keys = keys.new_empty(*shape, width)
        self._values = values.new_empty(*shape, values.shape[-1])
        self._keys[:n_rows, :, :n] = keys
        self._values[:n_rows, :, :n] = values
        self._show(n_rows, n)

    def _show(self, n_rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Make these rows and positions what the model sees."""
        self._length = length
        shown = self._keys[:n_rows, :, :length], self._values[:n_rows, :, :length]
        self.keys, self.values = shown
        return shown


def make_room(cache: Any, max_rows: int) -> None:
    """Give a cache room for ``max_rows`` rows, in place; layers of other kinds (sliding windows) stay as they are."""
    for place, layer in enumerate(cache.layers):
        is_plain = type(layer) is DynamicLayer and layer.is_initialized
        if is_plain:
            cache.layers[place] = GrowingLayer(layer.keys, layer.values, max_rows)


def rearrange(cache: Any, order: torch.Tensor, moved: torch.Tensor) -> None:
    """Make row i of the cache the present row ``order[i]``, in place.

    ``moved`` lists every i with order[i] != i; none of these i may stand in ``order``.
    """
    for layer in cache.layers:
        if isinstance(layer, GrowingLayer):
            layer.move(order[moved], moved, len(order))
        else:
            layer.batch_select_indices(order)
