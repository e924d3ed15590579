"""A key-value cache for sampling: one row a prompt becomes one row a sample, finished rows leave, steps copy nothing."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

ROOM = 16  # positions; a full buffer grows by these and an eighth of its length


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values (N, heads, positions, D) in buffers with room behind the last position.

    transformers' own layer copies everything at every step: a third of the time of a small model on a CPU.
    """

    _keys: torch.Tensor
    _values: torch.Tensor

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._place(keys, values)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new positions behind the old ones and return all of them."""
        start = self._length
        end = start + key_states.shape[-2]
        if end > self._keys.shape[-2]:
            self._place(self._keys[:, :, :start], self._values[:, :, :start], end - start)
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        return self._show(end)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Make row i the present row ``indices[i]``."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._show(self._length)

    def leave(self, movers: torch.Tensor, holes: torch.Tensor, n_rows: int) -> None:
        """Move some rows into the places of others and keep the first ``n_rows``: the rest is not copied."""
        for buffer in (self._keys, self._values):
            buffer[holes] = buffer[movers]
        self._keys, self._values = self._keys[:n_rows], self._values[:n_rows]
        self._show(self._length)

    def _place(self, keys: torch.Tensor, values: torch.Tensor, n_new: int = 0) -> None:
        """Copy keys and values into new buffers, with room for ``n_new`` positions and more."""
        n = keys.shape[-2]
        room = n_new + ROOM + n // 8
        self._keys, self._values = (
            each.new_empty(*each.shape[:2], n + room, each.shape[-1]) for each in (keys, values)
        )
        self._keys[:, :, :n] = keys
        self._values[:, :, :n] = values
        self._show(n)

    def _show(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Make the first ``length`` positions what the model sees."""
        self._length = length
        shown = self._keys[:, :, :length], self._values[:, :, :length]
        self.keys, self.values = shown
        return shown


def expand(cache: Any, rows: torch.Tensor) -> None:
    """Make row i of the cache a copy of the present row ``rows[i]``, in place, with room to grow.

    Layers of other kinds (sliding windows) are expanded as they are.
    """
    for place, layer in enumerate(cache.layers):
        is_plain = type(layer) is DynamicLayer and layer.is_initialized
        if is_plain:
            cache.layers[place] = GrowingLayer(layer.keys, layer.values)
        cache.layers[place].batch_select_indices(rows)


def keep(cache: Any, is_kept: torch.Tensor) -> torch.Tensor:
    """Keep the rows where ``is_kept`` (N,) holds, in place; return which present row each row of the cache now is.

    Rows from the end move into the places that become free.
    """
    n_rows = int(is_kept.sum())
    holes = (~is_kept[:n_rows]).nonzero().squeeze(-1)
    movers = is_kept[n_rows:].nonzero().squeeze(-1) + n_rows
    order = torch.arange(n_rows, device=is_kept.device)
    order[holes] = movers
    for layer in cache.layers:
        if isinstance(layer, GrowingLayer):
            layer.leave(movers, holes, n_rows)
        else:
            layer.batch_select_indices(order)
    return order
