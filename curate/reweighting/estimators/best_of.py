"""The best of a group, imitated: best-of-n and top-k (arXiv 2404.14367), each by the chance that it is taken."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import ConfigError
from curate.reweighting.estimators.rwr import constant
from curate.reweighting.group import SIZE
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import CORRECT, SHAPED
from curate.reweighting.registry import estimator

Floats = NDArray[np.float64]

MOST_DRAWN = 1024
# Of a sample's block of equal rewards: how many of the group are at most as good, and how many are worse.
UP_TO, BELOW = SHAPED.rank("max").cast(pl.Float64), SHAPED.rank("min").cast(pl.Float64) - 1


@estimator(n=4)
def best_of_n(n: int) -> Estimator:
    """Imitate the best of n samples: weight = the chance that a sample is the best of a random n of its group.

    w = (C(m, n) - C(l, n)) / C(G, n) / t at advantage 1, for a sample with l worse ones and t equally good ones (itself
    among them), m = l + t. Wrong samples, and those of weight 0, are ``gated``. A group smaller than n counts as n = G.
    """
    if not 1 <= n <= MOST_DRAWN:
        raise ConfigError(f"n must be in 1..{MOST_DRAWN}, got {n}")
    # In numpy: an expression would rank the group again for each of its 2 n factors.
    block = pl.struct(up_to=UP_TO, below=BELOW, size=SIZE)
    weight = block.map_batches(lambda rows: _chance(rows, n), return_dtype=pl.Float64, is_elementwise=True)
    return _taken(weight, pl.min_horizontal(pl.lit(n), SIZE) <= UP_TO)


@estimator(k=4)
def top_k(k: int) -> Estimator:
    """Imitate the k best samples of a group: weight 1 at advantage 1; equals share the places that are left.

    w = min(1, max(0, (k - b) / t)) with b better ones and t equally good ones, itself among them. Wrong samples, and those
    of weight 0, are ``gated``.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    places = k - (SIZE - UP_TO)
    return _taken((places / (UP_TO - BELOW)).clip(0.0, 1.0), places > 0)


def _taken(weight: pl.Expr, has_weight: pl.Expr) -> Estimator:
    """``has_weight`` is ``weight > 0``, said so that the weight need not be computed twice."""
    return Estimator(
        constant,
        needs_group=False,
        has_signal_if_uniform=True,
        sample=pl.when(~CORRECT | ~has_weight).then(pl.lit("gated")),
        weight=weight,
        keep_groups="all",
    )


def _chance(rows: pl.Series, n: int) -> pl.Series:
    """Give each sample's chance to be the best of n; NaN where it does not take part."""
    up_to, below, size = (rows.struct.field(name).cast(pl.Float64).to_numpy() for name in ("up_to", "below", "size"))
    return pl.Series((_share_of_draws(up_to, size, n) - _share_of_draws(below, size, n)) / (up_to - below))


def _share_of_draws(m: Floats, size: Floats, n: int) -> Floats:
    """Give C(m, n') / C(G, n'), n' = min(n, G): the share of the draws of n' that lie among some m samples."""
    share = np.ones(len(m))
    for j in range(n):
        share *= np.where(size > j, np.maximum(m - j, 0.0) / np.maximum(size - j, 1.0), 1.0)
    return share
