"""How far a policy has moved from the one it started from, over an epoch of fixed data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import ArrayLike

from curate.training.kl import LIMIT


@dataclass(frozen=True, slots=True)
class SequenceSums:
    """Sums over the trained tokens of S sequences, on the CPU; sequences without any are left out.

    ``n_tokens``, ``log_ratio`` and ``k3`` are (S,) in float64: count, sum of d = new - old, sum of exp(d) - d - 1.
    ``apart`` is |d| of every token, (sum of n_tokens,) in float32, 4 bytes a token, as a percentile needs them all.
    """

    n_tokens: torch.Tensor
    log_ratio: torch.Tensor
    k3: torch.Tensor
    apart: torch.Tensor


@dataclass(frozen=True, slots=True)
class Drift:
    """What ``drift`` says of an epoch; null where there was no token, or nothing to know it from."""

    n_sequences: int
    n_tokens: int
    mean_log_ratio: float | None = None
    p99_log_ratio: float | None = None
    k3: float | None = None
    effective_samples: float | None = None
    clip_fraction: float | None = None
    entropy: float | None = None


def sequence_sums(new_BT: torch.Tensor, old_BT: torch.Tensor, mask_BT: torch.Tensor) -> SequenceSums:
    """Return the sums of a micro-batch of log-probs (B, T) under the loss mask; d = new - old is cut to +-20 nats."""
    mask_BT = mask_BT.bool()
    d_BT = (new_BT.detach().double() - old_BT.double()).clamp(-LIMIT, LIMIT).masked_fill(~mask_BT, 0.0)
    counts_B, kept_B = mask_BT.sum(-1), mask_BT.any(-1)
    return SequenceSums(
        n_tokens=counts_B[kept_B].double().cpu(),
        log_ratio=d_BT.sum(-1)[kept_B].cpu(),
        k3=(torch.expm1(d_BT) - d_BT).sum(-1)[kept_B].cpu(),
        apart=d_BT[mask_BT].abs().float().cpu(),
    )


def join(parts: Iterable[SequenceSums]) -> SequenceSums:
    """Return the sums of several micro-batches or ranks as one; of none, sums of no sequence."""
    none = torch.zeros(0, dtype=torch.float64)
    parts = [SequenceSums(none, none, none, none.float()), *parts]
    names = [field.name for field in fields(SequenceSums)]
    return SequenceSums(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def drift(sums: SequenceSums, totals: Mapping[str, float] | None = None) -> Drift:
    """Return the statistics of an epoch from its sequences, and from ``policy_loss``'s sums added up over it.

    With d = new - old of a token and w = exp(sum_t d) of a sequence:

    - ``mean_log_ratio``: mean of d over tokens, signed; below 0 the policy finds the stored samples less likely than old;
    - ``p99_log_ratio``: the smallest number that 99 % of the tokens' |d| do not exceed;
    - ``k3``: mean of exp(d) - d - 1, an estimate of KL(old || new) in nats a token, as the samples are old's: never
      negative, and what ``max_drift`` bounds;
    - ``effective_samples``: (sum w)^2 / sum w^2, from 1 to n_sequences: how many samples the epoch would be worth to the
      new policy;
    - ``clip_fraction``, ``entropy``: means over tokens of what ``policy_loss`` counted; null where ``totals`` lacks them.

    Everything but the counts is null where no token was trained.
    """
    n_tokens = int(sums.n_tokens.sum())
    if not n_tokens:
        return Drift(0, 0)
    totals = totals or {}
    counted = totals.get("tokens") or math.nan
    log_ess = 2 * sums.log_ratio.logsumexp(0) - (2 * sums.log_ratio).logsumexp(0)
    return Drift(
        n_sequences=len(sums.n_tokens),
        n_tokens=n_tokens,
        mean_log_ratio=float(sums.log_ratio.sum()) / n_tokens,
        p99_log_ratio=float(sums.apart.kthvalue(math.ceil(0.99 * n_tokens)).values),
        k3=float(sums.k3.sum()) / n_tokens,
        effective_samples=float(log_ess.exp()),
        clip_fraction=totals["clipped"] / counted if "clipped" in totals else None,
        entropy=totals["entropy"] / counted if "entropy" in totals else None,
    )


def rank_agreement(old: Sequence[float], new: Sequence[float], group: Sequence[int]) -> float | None:
    """Return the mean over groups of Kendall's tau-b between two likelihoods of the same samples, from -1 to 1.

    tau_b = (concordant - discordant) / sqrt(pairs untied in old * pairs untied in new). The three sequences hold one value
    a sample (log-probs, means or sums, as the recipe ranked them). 1: old's ranks still hold; below .7 the unlikeliness
    reward should be computed again. A group of one, and one in which either likelihood is tied throughout, has no tau and
    is left out; null where none has any.
    """
    order = np.argsort(np.asarray(group), kind="stable")
    borders = np.flatnonzero(np.diff(np.asarray(group)[order])) + 1
    parts = np.split(order, borders)
    taus = [_tau_b(np.asarray(old, np.float64)[rows], np.asarray(new, np.float64)[rows]) for rows in parts]
    known = [tau for tau in taus if tau is not None]
    return float(np.mean(known)) if known else None


def _tau_b(x: ArrayLike, y: ArrayLike) -> float | None:
    signs_x, signs_y = (np.sign(np.subtract.outer(values, values)) for values in (x, y))
    untied = float((signs_x**2).sum()) * float((signs_y**2).sum())
    return float((signs_x * signs_y).sum()) / math.sqrt(untied) if untied else None
