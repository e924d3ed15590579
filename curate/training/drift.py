"""How far a policy has moved from the one it started from, over an epoch of fixed data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from curate.training.kl import LIMIT


@dataclass(frozen=True, slots=True)
class SequenceSums:
    """Sums over the trained tokens of S sequences that have any, on the CPU.

    ``n_tokens``, ``log_ratio`` and ``k3`` are (S,) in float64: count, sum of d = new - old, sum of exp(d) - d - 1.
    ``apart`` is |d| of every token, (sum of n_tokens,), 4 bytes a token in float32, as a percentile needs them all.
    """

    n_tokens: torch.Tensor
    log_ratio: torch.Tensor
    k3: torch.Tensor
    apart: torch.Tensor


@dataclass(frozen=True, slots=True)
class Drift:
    """What ``drift`` says of an epoch; null where there was no token."""

    n_sequences: int
    n_tokens: int
    mean_log_ratio: float | None = None
    p99_log_ratio: float | None = None
    k3: float | None = None
    effective_samples: float | None = None


def sequence_sums(d: torch.Tensor, owner: torch.Tensor) -> SequenceSums:
    """Return the sums of d = new - old (N,), cut to +-20 nats, by sequence; ``owner`` (N,) names each token's sequence."""
    d = d.double().clamp(-LIMIT, LIMIT)
    sequences, place = torch.unique(owner, return_inverse=True)

    def total(values: torch.Tensor) -> torch.Tensor:
        return d.new_zeros(len(sequences)).index_add(0, place, values)

    return SequenceSums(total(torch.ones_like(d)), total(d), total(torch.expm1(d) - d), d.abs().float())


def drift(sums: SequenceSums) -> Drift:
    """Return how far new has moved from old over an epoch, from its sequences.

    With d = new - old of a token and w = exp(sum_t d) of a sequence:

    - ``mean_log_ratio``: mean of d over tokens, signed; below 0 the policy finds the stored samples less likely than old;
    - ``p99_log_ratio``: the smallest number that 99 % of the tokens' |d| do not exceed;
    - ``k3``: mean of exp(d) - d - 1, an estimate of KL(old || new) in nats a token, as the samples are old's: never
      negative, and what ``max_drift`` bounds;
    - ``effective_samples``: (sum w)^2 / sum w^2, from 1 to n_sequences: how many samples the epoch would be worth to the
      new policy.

    Everything but the counts is null where no token was trained. Clip fraction and entropy are among ``policy_loss``'s sums.
    """
    n_tokens = int(sums.n_tokens.sum())
    if not n_tokens:
        return Drift(0, 0)
    log_ess = 2 * sums.log_ratio.logsumexp(0) - (2 * sums.log_ratio).logsumexp(0)
    return Drift(
        n_sequences=len(sums.n_tokens),
        n_tokens=n_tokens,
        mean_log_ratio=float(sums.log_ratio.sum()) / n_tokens,
        p99_log_ratio=float(sums.apart.kthvalue(math.ceil(0.99 * n_tokens)).values),
        k3=float(sums.k3.sum()) / n_tokens,
        effective_samples=float(log_ess.exp()),
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
