"""Positive part: no reward below zero."""

from __future__ import annotations

from curate.reweighting.pieces import Shaping
from curate.reweighting.registry import shaping


@shaping()
def positive() -> Shaping:
    """Lift rewards below 0 to 0: R = max(r, 0)."""
    return Shaping(lambda reward, trains: reward.clip(lower_bound=0.0))
