"""Whiten: compare what the shapings made with that of the whole dataset."""

from __future__ import annotations

from curate.reweighting.estimators.reinforce_pp import Over, whitened
from curate.reweighting.pieces import Estimator
from curate.reweighting.registry import estimator


@estimator()
def whiten(over: Over = "samples", eps: float = 1e-8) -> Estimator:
    """Whiten shaped rewards that are relative to their group already: A = (R - mean) / sqrt(var + eps).

    mean and var (ddof 1) over all samples that train, ``over`` the samples or their tokens, as reinforce_pp; but a group of
    one is a singleton, and a uniform group has no signal. The last step of GDPO (arXiv 2601.05242).
    """
    return whitened(lambda shaped: shaped, over, eps, needs_group=True)
