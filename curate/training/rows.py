"""The rows that train, as flat arrays.

Completions lie one after another in arrays over tokens, ``starts`` tells where each begins: some 20 bytes a token, and
no Python object a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """``N`` rows, ``T`` completion tokens in all, ``P`` different prompts.

    ``starts`` (N + 1,) and ``prompt_starts`` (P + 1,) are places in the arrays over tokens. ``behaviour`` (T,) is NaN
    where the sampling policy's log-prob is unknown. ``token_advantages`` (T,) is null where no row has any, else it
    holds the row's advantage where the row has none. ``kl_scale`` (N,) is null where no row has any, else 1 where it has none. ``is_own`` (N,) is true where the samples name the fingerprint of
    the model that is trained as their policy's version.
    """

    prompt_tokens: NDArray[np.int32]
    prompt_starts: NDArray[np.int64]
    prompt_of: NDArray[np.int64]
    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    is_trained: NDArray[np.bool_]
    behaviour: NDArray[np.float32]
    advantage: NDArray[np.float32]
    token_advantages: NDArray[np.float32] | None
    weight: NDArray[np.float32]
    temperature: NDArray[np.float32]
    group_id: NDArray[np.int64]
    is_own: NDArray[np.bool_]
    kl_scale: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.advantage)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Completion tokens of each row, (N,)."""
        return np.diff(self.starts)

    @cached_property
    def total_lengths(self) -> NDArray[np.int64]:
        """Prompt and completion tokens of each row, (N,)."""
        return self.lengths + np.diff(self.prompt_starts)[self.prompt_of]

    @cached_property
    def n_trained(self) -> NDArray[np.int64]:
        """Trained tokens of each row, (N,); every row has some."""
        return np.add.reduceat(self.is_trained, self.starts[:-1], dtype=np.int64)

    def prompt(self, row: int) -> NDArray[np.int32]:
        """Return the token ids of one row's prompt."""
        place = self.prompt_of[row]
        return self.prompt_tokens[self.prompt_starts[place] : self.prompt_starts[place + 1]]

    def completion(self, row: int) -> slice:
        """Return where one row lies in the arrays over tokens."""
        return slice(self.starts[row], self.starts[row + 1])


def flatten(rows: pl.DataFrame, prompts: pl.DataFrame, fingerprint: str) -> Rows:
    """Return the rows as arrays; ``place`` of a row is that of its prompt in ``prompts``.

    A null loss mask trains every token, null log-probs are NaN, null token advantages are the row's own advantage, and an
    unknown temperature or 0 is 1.
    """
    lengths = rows["completion_ids"].list.len().to_numpy().astype(np.int64)
    starts = _starts(lengths)
    n_tokens = int(starts[-1])
    behaviour = _spread(rows["logprobs"], lengths, np.full(n_tokens, np.nan, np.float32))
    advantage = rows["advantage"].to_numpy().astype(np.float32)
    token_advantages = None
    if rows["token_advantages"].null_count() < len(rows):
        token_advantages = _spread(rows["token_advantages"], lengths, np.repeat(advantage, lengths))
    scales = rows["kl_scale"]
    return Rows(
        prompt_tokens=_values(prompts["prompt_ids"]).astype(np.int32),
        prompt_starts=_starts(prompts["n_prompt"].to_numpy()),
        prompt_of=rows["place"].to_numpy().astype(np.int64),
        tokens=_values(rows["completion_ids"]).astype(np.int32),
        starts=starts,
        is_trained=_spread(rows["loss_mask"], lengths, np.ones(n_tokens, np.bool_)),
        behaviour=behaviour,
        advantage=advantage,
        token_advantages=token_advantages,
        weight=rows["weight"].to_numpy().astype(np.float32),
        temperature=rows["temperature"].fill_null(1.0).replace(0.0, 1.0).to_numpy().astype(np.float32),
        group_id=rows["group_id"].to_numpy(),
        is_own=(rows["policy_version"] == fingerprint).fill_null(False).to_numpy(),
        kl_scale=None if scales.null_count() == len(rows) else scales.fill_null(1.0).to_numpy().astype(np.float32),
    )


def _starts(lengths: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _values(lists: pl.Series) -> NDArray[Any]:
    """Return the values of a list column one after another; null and empty lists give none."""
    values: NDArray[Any] = lists.to_arrow().flatten().to_numpy(zero_copy_only=False)
    return values


def _spread(lists: pl.Series, lengths: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """Overwrite ``values`` (T,) by those of the rows whose list is not null."""
    values[np.repeat(lists.is_not_null().to_numpy(), lengths)] = _values(lists)
    return values
