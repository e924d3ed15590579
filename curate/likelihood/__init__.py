"""Likelihoods: log-probs of completions, stored or recomputed, and ranks. torch is imported only by ``model``."""

from curate.likelihood.from_sampler import from_sampler
from curate.likelihood.ranks import rank

__all__ = ["from_sampler", "rank"]
