"""NGRPO: compare with the group and one virtual sample of the best reward (arXiv 2509.18851)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.group import TOLERANCE
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def ngrpo(r_max: float = 1.0, eps: float = 1e-6) -> Estimator:
    """Standardise over the group and one virtual sample of reward r_max (arXiv 2509.18851).

    A = (R - mean) / (std + eps); mean and std (ddof 1, as the paper's worked example has it, not its equation) over the
    G samples and the virtual one. A uniform group has a signal unless its reward is r_max: then A is exactly 0.
    """
    at_least_0(eps=eps)
    return Estimator(
        lambda shaped: with_virtual_sample(shaped, r_max, eps),
        has_signal_if_uniform=True,
        keep_groups="not_all_correct",
    )


def with_virtual_sample(shaped: pl.Expr, r_max: float, eps: float) -> pl.Expr:
    """Give (R_i - mean) / (std + eps) over G + 1 rewards, one of them r_max; 0 where all of them are equal.

    In an all-wrong group of rewards 0, with r_max 1, that is -1 / sqrt(G + 1).
    """
    size = shaped.count()
    mean = (shaped.sum() + r_max) / (size + 1)
    std = ((((shaped - mean) ** 2).sum() + (r_max - mean) ** 2) / size).sqrt()
    top = shaped.max().clip(lower_bound=r_max)
    spread = top - shaped.min().clip(upper_bound=r_max)
    has_signal = spread > TOLERANCE * top.abs().clip(lower_bound=1.0)
    return pl.when(has_signal).then((shaped - mean) / (std + eps)).otherwise(0.0)
