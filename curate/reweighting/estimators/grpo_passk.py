"""Pass@k by the best sample: its lead over the second best (arXiv 2503.19595)."""

from __future__ import annotations

import polars as pl

from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def grpo_passk(eps: float = 1e-6) -> Estimator:
    """Give the best sample of the group its lead over the second, the others 0 (arXiv 2503.19595).

    A = (R_max - R_2nd) / (std + eps) for the one of R_max, std with ddof 1; two best ones have no lead.
    """
    at_least_0(eps=eps)

    def lead(shaped: pl.Expr) -> pl.Expr:
        best = shaped.max()
        return pl.when(shaped == best).then((best - shaped.top_k(2).min()) / (shaped.std() + eps)).otherwise(0.0)

    return Estimator(lead)
