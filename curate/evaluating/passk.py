"""pass@k: the chance that k samples of a prompt hold a correct one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=65_536)
def pass_at_k(m: int, c: int, k: int) -> float | None:
    """Estimate pass@k without bias from ``c`` correct of ``m`` samples: 1 - C(m-c, k) / C(m, k).

    The quotient is the product over i < c of 1 - k/(m-i) (the same with c and k exchanged, so the shorter one is
    taken), added up as log1p: good to 1e-12 of its value for m up to 1e6, where the binomials themselves overflow. 0
    where c is 0, 1 where fewer than k samples are wrong, null where k > m: k samples cannot be drawn. Source: arXiv
    2107.03374, section 2.1; methods of arXiv 2506.02355 use the same.
    """
    if k > m:
        return None
    if c == 0:
        return 0.0
    if m - c < k:
        return 1.0
    few, many = min(c, k), max(c, k)
    return float(-np.expm1(np.log1p(-many / (m - np.arange(few))).sum()))


def chunked_pass_at_k(is_correct_M: Sequence[bool], k: int) -> float | None:
    """Return the share of blocks with a correct sample, of m // k blocks of k samples cut in order.

    The m % k samples after the last whole block are left out; null where k > m. It uses each sample once, so it is
    noisier than ``pass_at_k``; the figures of arXiv 2506.02355 are made with it.
    """
    n_blocks = len(is_correct_M) // k
    if n_blocks == 0:
        return None
    return math.fsum(any(is_correct_M[b * k : (b + 1) * k]) for b in range(n_blocks)) / n_blocks
