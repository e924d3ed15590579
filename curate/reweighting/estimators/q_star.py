"""From r to Q*: the log-ratio of a model trained by DPO is a credit of each token (arXiv 2404.12358)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.reweighting.credits.q_star import LOGPROBS, REF_LOGPROBS, implicit_credit
from curate.reweighting.estimators.grpo import standardize
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator
from curate.reweighting.values import at_least_0


@estimator()
def q_star(beta: float = 0.1, weigh: bool = False, eps: float = 1e-6) -> Estimator:
    """Standardise, and give each token's credit c_t = beta * (logp_dpo - logp_ref) beside it (arXiv 2404.12358).

    With ``weigh`` the tokens share the advantage by T * softmax(sign(A) * c), our mapping. Samples that one of the two
    scorers did not score leave as ``no_likelihood``, in groups that train.
    """
    at_least_0(beta=beta, eps=eps)

    def missing(trains: pl.Expr) -> Mapping[str, pl.Expr]:
        return {"no_likelihood": trains & (pl.col(LOGPROBS).is_null() | pl.col(REF_LOGPROBS).is_null())}

    return Estimator(standardize(eps), missing=missing, credit=implicit_credit(beta, weigh=weigh))
