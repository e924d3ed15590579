"""Step pairs from the tree of a search (arXiv 2405.00451)."""

from __future__ import annotations

import polars as pl

from curate.pairing.match import ends, finished
from curate.pairing.recipe import N, PairRecipe, first_reason
from curate.pairing.registry import register

Q, VISITS = "score_q", "score_visits"


@register("arXiv 2405.00451", "YuxiXie/MCTS-DPO")
def mcts() -> PairRecipe:
    """Prefer the best child of a search node to its worst by Q: one step pair a node.

    For a dataset of ``curate import --format tree``, where a group holds the children of one node and q and visits are
    judge scores. chosen = the highest Q, rejected = the lowest, of equals the lowest sample_index. The pair is smoothed
    the more, the more the search visited the rejected step: eps = min(1 - 1 / (1 + N_rejected / max(1, N_chosen)), 0.5),
    null where a count of visits is unknown. Trained with ``--objective dpo --from-first-difference``: the steps that both
    sides share do not train.

    An only child is ``singleton``, children of one Q ``tied``, a node without a Q takes no part (``no_score``).

    Pitfalls: Q of a rarely visited node is noise; the smoothing sees the ratio of visits, not how few they are.
    """
    q = pl.col(Q)
    return PairRecipe(
        reads=(Q, VISITS),
        leave={"no_score": q.is_null()},
        bar=first_reason(singleton=N < 2, tied=q.max() == q.min()),
        match=lambda samples: finished(
            ends(samples, Q), smoothing=smoothing(pl.col(VISITS), pl.col(f"{VISITS}_rejected"))
        ),
    )


def smoothing(n_chosen: pl.Expr, n_rejected: pl.Expr) -> pl.Expr:
    """Give the label smoothing of a pair by its visits, in [0, 0.5]: min(1 - 1/(1 + N_r / max(1, N_c)), 0.5)."""
    ratio = n_rejected / n_chosen.clip(lower_bound=1)
    return (1 - 1 / (1 + ratio)).clip(upper_bound=0.5)
