"""Focal factor: less of the advantage in groups that are often correct (arXiv 2602.06717)."""

from __future__ import annotations

from curate.reweighting.group import N_CORRECT, SIZE
from curate.reweighting.pieces import Shaping
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0


@shaping(gamma=1.0)
def focal(gamma: float) -> Shaping:
    """Scale the advantage by (1 - c/G)^gamma, whatever the estimator (arXiv 2602.06717).

    c of the group's G samples are correct; ``gamma`` at least 0, and 0 changes nothing. Rewards stay as they are. An
    all-correct group gets 0, an all-wrong one keeps what it has.
    """
    at_least_0(gamma=gamma)
    return Shaping(lambda reward, trains: reward, after=lambda advantage: advantage * (1 - N_CORRECT / SIZE) ** gamma)
