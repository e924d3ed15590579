"""Token weights from how much a group's next-token distributions differ, as far as stored top-k log-probs tell.

numpy, a position at a time: what is compared are lists of different ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.reweighting.pieces import Credit

CLIP = 11.0
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

    w_t = 1 + (alpha - 1) * (D_t - min D) / (max D - min D); D_t as ``divergence``. Where all D are equal, w = 1.
    """
    length = max((len(each.ids) for each in group), default=0)
    found = np.array([divergence(group, t, alive_only=alive_only) for t in range(length)])
    spread = found.max() - found.min() if length else 0.0
    if spread <= 1e-12:
        return [1.0] * length
    return [float(weight) for weight in 1 + (alpha - 1) * (found - found.min()) / spread]


def divergence(group: Sequence[Stored], position: int, *, alive_only: bool = False) -> float:
    """Return how much the distributions of a group differ at one position.

    D = mean over samples of sum_v (exp(d) - d - 1), d = clip(mean over samples of log p(v) - log p(v), +-11), with v
    over the ids that any sample has stored there. An id that a sample's top-k leaves out has an even share of what its
    top-k leaves of the probability, at most that of the least likely stored. A completion that has ended counts as
    uniform over those ids; ``alive_only`` leaves it out. Fewer than two distributions differ by 0.
    """
    alive = [each for each in group if position < len(each.ids)]
    stored = [dict(zip(each.ids[position], each.logprobs[position], strict=True)) for each in alive]
    support = sorted(set().union(*stored))
    n_ended = 0 if alive_only else sum(each.n for each in group) - sum(each.n for each in alive)
    counts = np.array([*(each.n for each in alive), n_ended], dtype=float)
    if counts.sum() < 2 or not support:
        return 0.0
    ended = [-np.log(len(support))] * len(support)
    logprobs = np.array([*(_spread(each, support) for each in stored), ended])
    d = np.clip(np.average(logprobs, axis=0, weights=counts) - logprobs, -CLIP, CLIP)
    return float(np.average((np.exp(d) - d - 1).sum(axis=1), weights=counts))


def _spread(stored: dict[int, float], support: Sequence[int]) -> list[float]:
    """Return the log-prob of each id of the support; those not stored share what is left."""
    missing = len(support) - len(stored)
    left = max(1.0 - float(np.exp(list(stored.values())).sum()), TINY)
    share = min(np.log(left / missing), min(stored.values(), default=0.0)) if missing else 0.0
    return [stored.get(each, share) for each in support]
