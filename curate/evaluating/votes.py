"""maj@k: how often the most frequent answer among k samples is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_SUBSETS = 256


def maj_at_k(
    votes_A: NDArray[np.int64], credit_A: NDArray[np.float64], n_silent: int, k: int, rng: np.random.Generator
) -> float | None:
    """Return the expected correctness of the majority answer among k of a prompt's m stored samples.

    ``votes_A`` counts the samples of each distinct answer, ``credit_A`` is the share of those that are correct (0 or 1
    where the verifier looks at the answer alone); the ``n_silent`` samples without an answer can be drawn but do not
    vote. Answers with equally many votes split the credit; where nobody votes there is none. m = all votes and the
    silent. Exact for k = 1 (the share correct) and k = m (one vote of all); between, the mean over 256 subsets of k
    samples drawn without replacement, so it moves by at most 0.03 (one standard error) a prompt with ``rng``. Null
    where k > m. Source: arXiv 2203.11171 for the vote.
    """
    m = int(votes_A.sum()) + n_silent
    if k > m:
        return None
    if k == 1:
        return float(votes_A @ credit_A / m)
    if len(votes_A) == 0:
        return 0.0
    if k == m:
        return float(_credit(votes_A[None, :], credit_A)[0])
    drawn = rng.multivariate_hypergeometric([*votes_A.tolist(), n_silent], k, size=N_SUBSETS, method="marginals")
    return float(_credit(drawn[:, :-1], credit_A).mean())


def _credit(votes_S_A: NDArray[np.int64], credit_A: NDArray[np.float64]) -> NDArray[np.float64]:
    most = votes_S_A.max(axis=1, keepdims=True)
    is_first = (votes_S_A == most) & (most > 0)
    return np.asarray((is_first @ credit_A) / np.maximum(is_first.sum(axis=1), 1))
