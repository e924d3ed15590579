"""Intervals over prompts: how far a mean could move with other prompts of the same kind.

They say nothing about training again with another seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 2000
LEVEL = 0.95
SAME = 1e-12

Values = NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over prompts and its 95 % interval.

    ``method`` is bca, wilson, or none, with low and high null: one prompt, or every prompt has the same value, gives
    no spread to resample. Without any prompt the value is null too.
    """

    value: float | None
    low: float | None
    high: float | None
    method: Literal["bca", "wilson", "none"]
    n_prompts: int


def mean_over_prompts(values_P: Any, *, is_share: bool = False, seed: int = 0) -> Estimate:
    """Return the mean of one value a prompt with its 95 % interval; NaN is unknown and left out.

    BCa bootstrap over the prompts (2,000 resamples, seeded). With ``is_share`` values that are all 0 or 1, so also
    where none or all are solved and a bootstrap would see no spread, get the Wilson interval of their share.
    """
    values = np.asarray(values_P, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])  # so that the order of the prompts changes no digit
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, "none", 0)
    mean = float(values.mean())
    if is_share and bool(np.isin(values, (0.0, 1.0)).all()):
        return Estimate(mean, *wilson(int(values.sum()), n), "wilson", n)
    if np.ptp(values) <= SAME * max(1.0, abs(mean)):
        return Estimate(mean, None, None, "none", n)
    return Estimate(mean, *bca(values, resampled_means(values, seed)), "bca", n)


def wilson(n_successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share, without continuity correction; ``n`` is at least 1.

    centre (p + z^2/2n) / (1 + z^2/n), half width z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n); 0 of n starts at 0 and n
    of n ends at 1. Source: Wilson 1927; method 3 of Newcombe 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857.
    """
    z = _NORMAL.inv_cdf((1 + LEVEL) / 2)
    p = n_successes / n
    centre = p + z * z / (2 * n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    low = 0.0 if n_successes == 0 else (centre - half) / scale
    return low, 1.0 if n_successes == n else (centre + half) / scale


def resampled_means(values_P: Values, seed: int, n_resamples: int = N_RESAMPLES) -> Values:
    """Return the means of resamples of ``values_P`` with replacement, shape (resamples,).

    Where distinct values are few, as those of pass@k are, how often each comes up is drawn instead of the prompts: the
    same distribution in a fraction of the time.
    """
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(values_P, return_counts=True)
    n = len(values_P)
    if 8 * len(distinct) <= n:
        return np.asarray(rng.multinomial(n, counts / n, size=n_resamples) @ distinct / n)
    means = np.empty(n_resamples)
    rows = max(1, 4_000_000 // n)  # a block of draws stays below 64 MB
    for start in range(0, n_resamples, rows):
        block = means[start : start + rows]
        block[:] = values_P[rng.integers(0, n, (len(block), n))].mean(axis=1)
    return means


def bca(values_P: Values, means_R: Values) -> tuple[float, float]:
    """Return the 95 % bias-corrected and accelerated interval of a mean from its resampled means.

    z0 = Phi^-1(share of resamples below the mean, those equal to it counted half), acceleration from the jackknife,
    a = sum(d^3) / (6 sum(d^2)^1.5) with d = value - mean; then the quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of
    the resamples, between neighbours by straight line. The values must not all be equal. The share is kept half a
    resample away from 0 and 1; |a| <= 1/6 then keeps the denominator positive. Source: Efron 1987, doi
    10.1080/01621459.1987.10478410.
    """
    mean = values_P.mean()
    distance_R = means_R - mean
    is_equal_R = abs(distance_R) <= SAME * max(1.0, abs(mean))  # sums in another order differ in their last digits
    below = (np.sum((distance_R < 0) & ~is_equal_R) + np.sum(is_equal_R) / 2) / len(means_R)
    edge = 1 / (2 * len(means_R))
    z0 = _NORMAL.inv_cdf(float(np.clip(below, edge, 1 - edge)))
    d = values_P - mean
    a = float((d**3).sum() / (6 * (d**2).sum() ** 1.5))
    z = _NORMAL.inv_cdf((1 + LEVEL) / 2)
    low, high = (_NORMAL.cdf(z0 + (z0 + side) / (1 - a * (z0 + side))) for side in (-z, z))
    found = np.quantile(means_R, [low, high])
    return float(found[0]), float(found[1])
