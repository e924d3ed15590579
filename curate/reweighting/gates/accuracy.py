"""Accuracy band: train the prompts that are neither too hard nor too easy."""

from __future__ import annotations

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.group import TOLERANCE
from curate.reweighting.pieces import Gate
from curate.reweighting.recipe import INITIAL
from curate.reweighting.registry import gate
from curate.reweighting.values import in_unit_interval


@gate()
def accuracy_band(low: float = 0.1, high: float = 0.9) -> Gate:
    """Train the groups whose pass rate lies in [low, high]; the others are ``gated``.

    The pass rate is the share of correct samples among the judged ones. Where a stopping rule drew the group it is that
    of its first ``n_initial`` samples alone, drawn before the rule looked, since a group drawn until its first success
    has no rate to read off (``n_initial`` is read where the frame has it). A group whose rate is unknown, none of those
    samples judged, is gated too. low <= high, both in [0, 1]; bounds belong to the band.
    """
    in_unit_interval(low=low, high=high)
    if low > high:
        raise ConfigError(f"low is {low}, above high, which is {high}: no pass rate lies between")
    inside = INITIAL.mean().is_between(low - TOLERANCE, high + TOLERANCE).fill_null(False)
    return Gate(trains=inside, drop=pl.when(~inside).then(pl.lit("gated")))
