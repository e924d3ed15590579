"""Log-probs of stored rows under a model as it is now, and how far they lie from others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curate.training.collate import Collator, on_device
from curate.training.drift import Drift, drift, rank_agreement, sequence_sums
from curate.training.policy import Policy
from curate.training.rows import Rows

# Tokens of one forward pass without gradients, padding included.
BATCH_TOKENS = 16_384


def sum_over_ranks(values: torch.Tensor, device: Any) -> torch.Tensor:
    """Return the sum of a tensor over all processes, on the CPU; the tensor itself where there is one process."""
    if not torch.distributed.is_initialized():
        return values
    summed = values.to(device)
    torch.distributed.all_reduce(summed)
    return summed.cpu()


@torch.no_grad()
def log_probs(policy: Policy, collator: Collator, chosen: NDArray[np.int64], device: Any) -> NDArray[np.float32]:
    """Return the log-probs of the chosen rows' completion tokens, flat over all rows, NaN for rows not chosen.

    The work is dealt to all processes, and every one gets everything.
    """
    rows = collator.rows
    values = np.full(len(rows.tokens), np.nan, np.float32)
    rank, world = 0, 1
    if torch.distributed.is_initialized():
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    for number, batch_rows in enumerate(_batches(rows, chosen)):
        if number % world == rank:
            batch = collator(batch_rows.tolist())
            new_BT, _ = policy(on_device(batch, device))
            put(values, rows, batch_rows, new_BT.cpu().numpy())
    return merged(values, device)


def put(values: NDArray[np.float32], rows: Rows, chosen_B: NDArray[np.int64], grid_BT: NDArray[np.float32]) -> None:
    """Write a grid (B, T) over the completion tokens of some rows into the array over the tokens of all."""
    column_T = np.arange(grid_BT.shape[1])
    inside_BT = column_T < rows.lengths[chosen_B][:, None]
    values[(rows.starts[chosen_B][:, None] + column_T)[inside_BT]] = grid_BT[inside_BT]


def merged(values: NDArray[np.float32], device: Any) -> NDArray[np.float32]:
    """Return the values that any process has; the mean of them where several do, NaN where none does."""
    if not torch.distributed.is_initialized():
        return values
    both = np.stack([np.nan_to_num(values), ~np.isnan(values)]).astype(np.float32)
    total, n = sum_over_ranks(torch.from_numpy(both), device).numpy()
    return np.where(n > 0, total / np.maximum(n, 1), np.nan).astype(np.float32)


def _batches(rows: Rows, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield rows of about one length, longest first, up to ``BATCH_TOKENS`` at a time."""
    left = chosen[np.argsort(-rows.total_lengths[chosen], kind="stable")]
    while len(left):
        n = max(1, BATCH_TOKENS // int(rows.total_lengths[left[0]]))
        yield left[:n]
        left = left[n:]


def sample_of(rows: Rows, n_tokens: int, seed: int) -> NDArray[np.int64]:
    """Return whole groups in a seeded order, as many as hold about ``n_tokens`` tokens, in the order of the rows."""
    groups, of_row = np.unique(rows.group_id, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(groups))
    sizes = np.bincount(of_row, weights=rows.total_lengths)
    kept = place[: max(1, int(np.searchsorted(np.cumsum(sizes[place]), n_tokens)))]
    return np.flatnonzero(np.isin(of_row, kept))


def compare(
    rows: Rows, new: NDArray[np.float32], old: NDArray[np.float32], chosen: NDArray[np.bool_] | None = None
) -> Drift:
    """Return the drift statistics over trained tokens that both know; ``chosen`` (rows,) narrows the rows."""
    known = rows.is_trained & ~np.isnan(new) & ~np.isnan(old)
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    if chosen is not None:
        known &= chosen[owner]
    d = new[known].astype(np.float64) - old[known]
    return drift(sequence_sums(torch.from_numpy(d), torch.from_numpy(owner[known])))


def mean_apart(
    rows: Rows, new: NDArray[np.float32], old: NDArray[np.float32], chosen: NDArray[np.bool_]
) -> float | None:
    """Return the mean of |new - old| over the trained tokens of some rows (rows,); null where none is known."""
    known = rows.is_trained & ~np.isnan(new) & ~np.isnan(old) & np.repeat(chosen, rows.lengths)
    return float(np.abs(new[known] - old[known]).mean()) if known.any() else None


def ranks_agree(rows: Rows, new: NDArray[np.float32], old: NDArray[np.float32]) -> float | None:
    """Return Kendall's tau-b between the two mean log-probs of each group's rows, averaged over groups; see ``drift``."""
    known = rows.is_trained & ~np.isnan(new) & ~np.isnan(old)
    n = np.add.reduceat(known, rows.starts[:-1], dtype=np.int64)
    seen = n > 0
    new_mean, old_mean = (
        np.add.reduceat(np.where(known, each, 0.0), rows.starts[:-1], dtype=np.float64)[seen] / n[seen]
        for each in (new, old)
    )
    return rank_agreement(old_mean, new_mean, rows.group_id[seen])  # type: ignore[arg-type]


def statistics(rows: Rows, new: NDArray[np.float32], old: NDArray[np.float32]) -> dict[str, Any]:
    """Return the statistics of new against old that logs and manifests hold."""
    drift = compare(rows, new, old)
    return {
        "drift": drift.k3,
        "mean_log_ratio": drift.mean_log_ratio,
        "p99_log_ratio": drift.p99_log_ratio,
        "effective_samples": drift.effective_samples,
        "n_sequences": drift.n_sequences,
        "kendall_tau": ranks_agree(rows, new, old),
    }
