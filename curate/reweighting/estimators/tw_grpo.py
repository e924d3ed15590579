"""TW-GRPO: positions where a group's distributions differ count for more (arXiv 2505.24718)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.credits.top_k import weigh_tokens
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def tw_grpo(alpha: float = 1.7, alive_only: bool = False, eps: float = 1e-6) -> Estimator:
    """Weigh grpo's advantage token by token with the divergence of the group's top-k (after TW-GRPO, arXiv 2505.24718).

    w_t = 1 + (alpha - 1) * minmax(D_t), an approximation: D_t is over stored top-k log-probs, the paper's over the
    vocabulary. ``alive_only`` leaves ended completions out of D_t. ``alpha`` 1 is grpo. Samples without top-k leave as
    ``no_likelihood``, in groups that train.
    """
    at_least_0(alpha=alpha, eps=eps)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        return {"no_likelihood": trains & (pl.col("topk_ids").is_null() | pl.col("topk_logprobs").is_null())}

    return Estimator(standardize(eps), missing=missing, credit=weigh_tokens(alpha, alive_only=alive_only))
