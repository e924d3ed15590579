"""From row numbers to the tensors of one micro-batch, padded or packed.

Padded: every row on a line of its own, filled up on the right, where causal attention never looks. Packed: several short
rows on one line as long as the longest row; positions that start anew keep them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curate.training.logprobs import TokenBatch
from curate.training.rows import Rows

Batch = dict[str, torch.Tensor]
TOKEN_FIELDS = ("input_ids", "position_ids", "rows", "starts", "lengths", "temperatures")


@dataclass
class Collator:
    """Make a micro-batch of row numbers; no row at all gives one row that is masked whole, so that backward runs.

    For B rows with at most T completion tokens on lines of W tokens a batch holds the fields of ``TokenBatch``
    (``position_ids`` only if packed) and ``mask`` and ``advantages`` (B, T), ``weights`` (B,), ``row`` (B,) the numbers
    (-1 for none), ``kl_scale`` (B,) where rows have any, and where they are known ``old``, ``behaviour`` and ``ref`` (B, T); these three are given for all rows,
    flat as ``Rows.tokens``.
    """

    rows: Rows
    is_packed: bool = False
    old: NDArray[np.float32] | None = None
    behaviour: NDArray[np.float32] | None = None
    ref: NDArray[np.float32] | None = None

    def __call__(self, chosen: list[int]) -> Batch:
        rows = self.rows
        chosen_B = np.asarray(chosen or [0])
        n_completion_B = rows.lengths[chosen_B]
        n_prompt_B = rows.total_lengths[chosen_B] - n_completion_B
        column_T = np.arange(n_completion_B.max())
        is_inside_BT = column_T < n_completion_B[:, None]
        place_BT = np.where(is_inside_BT, rows.starts[chosen_B][:, None] + column_T, 0)
        width, line_B, column_B = self._layout(n_prompt_B + n_completion_B)
        batch = {
            "rows": line_B,
            "starts": column_B + n_prompt_B,
            "lengths": n_completion_B,
            "temperatures": rows.temperature[chosen_B],
            "mask": is_inside_BT & rows.is_trained[place_BT] & bool(chosen),
            "advantages": self._advantages(chosen_B, place_BT),
            "weights": rows.weight[chosen_B],
            "row": chosen_B if chosen else np.array([-1]),
        }
        if rows.kl_scale is not None:
            batch["kl_scale"] = rows.kl_scale[chosen_B]
        known = {"old": self.old, "behaviour": self.behaviour, "ref": self.ref}
        batch |= {name: values[place_BT] for name, values in known.items() if values is not None}
        batch |= self._inputs(chosen_B, n_prompt_B, width, line_B, column_B)
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def _advantages(self, chosen_B: NDArray[np.int64], place_BT: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.rows.token_advantages is not None:
            return self.rows.token_advantages[place_BT]
        return np.repeat(self.rows.advantage[chosen_B], place_BT.shape[1]).reshape(place_BT.shape)

    def _layout(self, lengths_B: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
        """Return the width of the lines, and the line and first column of each row."""
        width, n_rows = int(lengths_B.max()), len(lengths_B)
        line_B, column_B = np.arange(n_rows), np.zeros(n_rows, np.int64)
        if not self.is_packed:
            return width, line_B, column_B
        filled: list[int] = []
        for row in np.argsort(-lengths_B, kind="stable"):  # first fit, longest first
            length = int(lengths_B[row])
            line = next((n for n, used in enumerate(filled) if used + length <= width), len(filled))
            if line == len(filled):
                filled.append(0)
            line_B[row], column_B[row] = line, filled[line]
            filled[line] += length
        return width, line_B, column_B

    def _inputs(
        self,
        chosen_B: NDArray[np.int64],
        n_prompt_B: NDArray[np.int64],
        width: int,
        line_B: NDArray[np.int64],
        column_B: NDArray[np.int64],
    ) -> dict[str, NDArray[Any]]:
        """Lay out prompt and completion of every row; what fills the lines up is a row of its own, at position 0."""
        rows = self.rows
        lengths_B = rows.total_lengths[chosen_B]
        owner = np.repeat(np.arange(len(chosen_B)), lengths_B)
        position = np.arange(len(owner)) - (np.cumsum(lengths_B) - lengths_B)[owner]
        is_prompt = position < n_prompt_B[owner]
        of_prompt = rows.prompt_starts[rows.prompt_of[chosen_B]][owner] + position
        of_completion = rows.starts[chosen_B][owner] + position - n_prompt_B[owner]
        tokens = np.empty(len(owner), np.int64)
        tokens[is_prompt] = rows.prompt_tokens[of_prompt[is_prompt]]
        tokens[~is_prompt] = rows.tokens[of_completion[~is_prompt]]
        place = (line_B * width + column_B)[owner] + position
        input_ids = np.zeros((int(line_B.max()) + 1, width), np.int64)
        input_ids.flat[place] = tokens
        if not self.is_packed:
            return {"input_ids": input_ids}
        position_ids = np.zeros_like(input_ids)
        position_ids.flat[place] = position
        return {"input_ids": input_ids, "position_ids": position_ids}


def token_batch(batch: Batch) -> TokenBatch:
    """Return the part of a micro-batch that the model reads."""
    fields = {name: batch.get(name) for name in TOKEN_FIELDS}
    return TokenBatch(attention_mask=None, **fields)  # type: ignore[arg-type]


def on_device(batch: Batch, device: Any) -> Batch:
    """Return the micro-batch with every tensor on a device."""
    return {name: values.to(device) for name, values in batch.items()}
