"""One group in a frame, for tests of recipes and pieces."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curate.reweighting import compose, estimators, reweight
from curate.reweighting.gates import all_
from curate.reweighting.pieces import Gate, Shaping


def group(rewards: Sequence[float | None], **columns: Sequence[object]) -> pl.DataFrame:
    """Return a frame of one group; further columns as given."""
    keys = {"group_id": [7] * len(rewards), "sample_index": list(range(len(rewards)))}
    return pl.DataFrame({**keys, "reward": pl.Series(rewards, dtype=pl.Float64), **columns})


def outcomes(text: str) -> list[str | None]:
    """Return outcomes of the letters c (correct), i (incorrect) and - (null)."""
    return [{"c": "correct", "i": "incorrect", "-": None}[letter] for letter in text]


def shaped(frame: pl.DataFrame, *shapings: Shaping, gate: Sequence[Gate] | None = None) -> list[float | None]:
    """Return the shaped rewards, rounded to 12 digits, under dr_grpo and the widest gate."""
    made = compose(estimators.dr_grpo(), shape=shapings, gate=[all_()] if gate is None else gate)
    return [None if r is None else round(r, 12) for r in reweight(frame, made)["shaped"]]


def reasons(frame: pl.DataFrame, *shapings: Shaping, gate: Sequence[Gate] | None = None) -> list[str | None]:
    """Return the drop reasons under dr_grpo and these pieces."""
    made = compose(estimators.dr_grpo(), shape=shapings, gate=[all_()] if gate is None else gate)
    return reweight(frame, made)["drop_reason"].to_list()
