"""Token weights from how much a group's next-token distributions differ, as far as stored top-k log-probs tell.

numpy, a window of positions at a time: what is compared are lists of different ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.reweighting.pieces import Credit

Floats = NDArray[np.float64]

CLIP = 11.0
WINDOW = 64  # positions at a time, so that memory does not grow with the length of completions
TINY = 1e-9  # the least probability left for what a sample's top-k leaves out
IDS, LOGPROBS = "topk_ids", "topk_logprobs"


class Stored(NamedTuple):
    """What is stored of ``n`` completions that are alike: ids (T, k) and their log-probs (T, k)."""

    ids: Sequence[Sequence[int]]
    logprobs: Sequence[Sequence[float]]
    n: int = 1


def weigh_tokens(alpha: float, *, alive_only: bool) -> Credit:
    """Multiply the advantage of each token by the weight of its position in the group: see ``position_weights``."""

    def tokens(frame: pl.DataFrame) -> pl.DataFrame:
        has_top_k = pl.all_horizontal(pl.col("shaped", IDS, LOGPROBS).is_not_null())
        trains = pl.col("advantage").is_not_null().any().over("group_id")
        took_part = frame.filter(has_top_k & trains)
        distinct = took_part.group_by("group_id", IDS, LOGPROBS, maintain_order=True).len()
        weights = {
            key[0]: position_weights(
                [Stored(*row) for row in group.select(IDS, LOGPROBS, "len").iter_rows()], alpha, alive_only=alive_only
            )
            for key, group in distinct.partition_by("group_id", as_dict=True, include_key=False).items()
        }
        of_group = pl.DataFrame(
            {"group_id": list(weights), "w": list(weights.values())},
            schema={"group_id": frame.schema["group_id"], "w": pl.List(pl.Float64)},
        )
        rows = frame.select("group_id", "advantage", IDS).join(
            of_group, on="group_id", how="left", maintain_order="left"
        )
        alive = pl.col("w").list.head(pl.col(IDS).list.len())
        return rows.select(token_advantages=alive * pl.col("advantage"))

    return Credit(tokens, (IDS, LOGPROBS))


def position_weights(group: Sequence[Stored], alpha: float, *, alive_only: bool = False) -> list[float]:
    """Return a weight for each position of a group, up to its longest completion.

    w_t = 1 + (alpha - 1) * (D_t - min D) / (max D - min D); D_t as ``divergences``. Where all D are equal, w = 1.
    """
    found = divergences(group, alive_only=alive_only)
    spread = found.max() - found.min() if len(found) else 0.0
    if spread <= 1e-12:
        return [1.0] * len(found)
    weights: list[float] = (1 + (alpha - 1) * (found - found.min()) / spread).tolist()
    return weights


def divergences(group: Sequence[Stored], *, alive_only: bool = False) -> Floats:
    """Return how much the distributions of a group differ at each position, (T,), T that of the longest completion.

    D = mean over samples of sum_v (exp(d) - d - 1), d = clip(mean over samples of log p(v) - log p(v), +-11), with v
    over the ids that any sample has stored there. An id that a sample's top-k leaves out has an even share of what its
    top-k leaves of the probability, at most that of the least likely stored. A completion that has ended counts as
    uniform over those ids; ``alive_only`` leaves it out. Fewer than two distributions differ by 0.
    """
    length = max((len(each.ids) for each in group), default=0)
    windows = [
        [Stored(each.ids[start : start + WINDOW], each.logprobs[start : start + WINDOW], each.n) for each in group]
        for start in range(0, length, WINDOW)
    ]
    found = [_of_window(window, alive_only) for window in windows]
    return np.concatenate(found) if found else np.zeros(0)


def _of_window(group: Sequence[Stored], alive_only: bool) -> Floats:
    """Return the divergences of a few positions, (T,). N samples; S ids, each at its position, in order of positions."""
    lengths = np.array([len(each.ids) for each in group])
    table_NS, position_S = _table(group, lengths)
    found = np.zeros(int(lengths.max()))
    if not len(position_S):
        return found
    present, starts, n_ids = np.unique(position_S, return_index=True, return_counts=True)
    is_stored = ~np.isnan(table_NS)
    logprobs = np.where(is_stored, table_NS, 0.0)
    n_missing = n_ids - np.add.reduceat(is_stored, starts, axis=1, dtype=np.int64)
    left = np.maximum(1.0 - np.add.reduceat(np.where(is_stored, np.exp(logprobs), 0.0), starts, axis=1), TINY)
    share = np.minimum(np.log(left / np.maximum(n_missing, 1)), np.minimum.reduceat(logprobs, starts, axis=1))
    is_alive = lengths[:, None] > present
    unstored = np.where(is_alive, share, -np.log(n_ids))
    logprobs = np.where(is_stored, logprobs, np.repeat(unstored, n_ids, axis=1))
    n = np.array([each.n for each in group])[:, None] * (is_alive | (not alive_only))
    total = n.sum(axis=0)
    mean = (np.repeat(n, n_ids, axis=1) * logprobs).sum(axis=0) / np.repeat(total, n_ids)
    d = np.clip(mean - logprobs, -CLIP, CLIP)
    of_sample = np.add.reduceat(np.exp(d) - d - 1, starts, axis=1)
    found[present] = np.where(total < 2, 0.0, (n * of_sample).sum(axis=0) / total)
    return found


def _table(group: Sequence[Stored], lengths: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the stored log-probs (N, S), NaN where a sample has not stored an id, and the position of each of S."""
    lists = [ids for each in group for ids in each.ids]
    sizes = np.array([len(ids) for ids in lists], np.int64)
    ids = np.fromiter(chain.from_iterable(lists), np.int64, int(sizes.sum()))
    logprobs = np.fromiter((x for each in group for stored in each.logprobs for x in stored), np.float64, len(ids))
    sample = np.repeat(np.repeat(np.arange(len(group)), lengths), sizes)
    position = np.repeat(np.concatenate([np.arange(n) for n in lengths]), sizes)
    low, span = (int(ids.min()), int(ids.max() - ids.min()) + 1) if len(ids) else (0, 1)
    support, place = np.unique(position * span + (ids - low), return_inverse=True)
    table_NS = np.full((len(group), len(support)), np.nan)
    table_NS[sample, place] = logprobs
    return table_NS, support // span
