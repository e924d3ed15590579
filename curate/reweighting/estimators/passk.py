"""Pass@k training: the advantage when a draw of k samples is right as soon as one of them is (arXiv 2508.10751)."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.group import N_CORRECT, SIZE
from curate.reweighting.pieces import Estimator
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import estimator

MOST_DRAWN = 1024  # an expression has k factors


@estimator(k=2)
def passk(k: int) -> Estimator:
    """Give each sample its mean advantage over all draws of k of its group (arXiv 2508.10751).

    rho = 1 - C(G-c, k) / C(G, k), s = sqrt(rho (1 - rho)); correct: (1 - rho) / s, wrong:
    (1 - rho - C(G-c-1, k-1) / C(G-1, k-1)) / s; 0 where s is 0. By the outcome alone. ``k`` in 1..1024; a group of
    fewer than k samples has no pass@k and is ``gated``.
    """
    if not 1 <= k <= MOST_DRAWN:
        raise ConfigError(f"k must be in 1..{MOST_DRAWN}, got {k}")
    return Estimator(
        lambda shaped: pass_at_k_advantage(k), sample=pl.when(k > SIZE).then(pl.lit("gated")), rewards="binary"
    )


def pass_at_k_advantage(k: int) -> pl.Expr:
    """Give A+ = sqrt(q / (1 - q)) and A- = -A+ * c / (G - c), q = 1 - rho: the two formulas above, without binomials.

    For the wrong ones C(G-c-1, k-1) / C(G-1, k-1) = q * G / (G - c). All-wrong groups and groups of which k samples
    always hold a correct one (c > G - k) give 0.
    """
    # q is named once, as polars computes it again wherever it is named: q / (1 - q) = 1 / (1 / q - 1).
    correct = (1 / (1 / no_success(k) - 1)).sqrt()
    share = pl.when(CORRECT).then(1.0).otherwise(-N_CORRECT.cast(pl.Float64) / (SIZE - N_CORRECT))
    teaches = (N_CORRECT > 0) & (N_CORRECT + k <= SIZE)
    return pl.when(teaches).then(correct * share).otherwise(0.0)


def no_success(k: int) -> pl.Expr:
    """Give the chance that k samples drawn of the G have no correct one: C(G-c, k) / C(G, k), for k <= G - c."""
    size, n_wrong = SIZE.cast(pl.Float64), (SIZE - N_CORRECT).cast(pl.Float64)
    return _product([(n_wrong - j) / (size - j) for j in range(k)])


def _product(factors: list[pl.Expr]) -> pl.Expr:
    """Multiply by halves: a chain of k products would nest k deep."""
    if len(factors) == 1:
        return factors[0]
    middle = len(factors) // 2
    return _product(factors[:middle]) * _product(factors[middle:])
