"""What pairs are made of, and how far they are from the policy: sums that add up over parts (arXiv 2404.14367)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from curate.pairing.apply import KEY, Paired
from curate.pairing.recipe import GROUP, INDEX

LOGPROB = "sum_logprob"


def diagnose(frame: pl.DataFrame, paired: Paired) -> dict[str, Any]:
    """Return the figures of one part: counts and sums, so that ``merge`` can add those of others.

    ``frame`` is what was paired; ``sum_logprob`` (nats, under the scorer that is read as the reference) and
    ``policy_version`` are used where they are there.
    """
    pairs = paired.pairs
    n_groups = frame[GROUP].n_unique()
    figures: dict[str, Any] = {
        "groups": n_groups,
        "groups_paired": pairs[GROUP].n_unique(),
        "groups_left": paired.groups_left,
        "samples": frame.height,
        "samples_left": paired.samples_left,
        "pairs": pairs.height,
        "targets": _sums(pairs["target"]),
        "smoothings": _sums(pairs["smoothing"]),
    }
    return figures | _on_policy(frame, pairs)


def _on_policy(frame: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, Any]:
    """Return how likely the sides are under the reference, and which versions of the policy they come from."""
    found: dict[str, Any] = {}
    if LOGPROB in frame.columns:
        chosen, rejected = (_side(frame, pairs, side, LOGPROB) for side in ("chosen", "rejected"))
        gap = chosen - rejected
        found |= {"chosen_logprob": _sums(chosen), "rejected_logprob": _sums(rejected), "logprob_gap": _sums(gap)}
        found["pairs_rejected_likelier"] = int((gap < 0).sum())
    if "policy_version" in frame.columns:
        chosen, rejected = (_side(frame, pairs, side, "policy_version") for side in ("chosen", "rejected"))
        numbers = [side.cast(pl.Float64, strict=False) for side in (chosen, rejected)]
        found["pairs_of_two_versions"] = int((chosen != rejected).sum())
        found["version_gap"] = _sums((numbers[0] - numbers[1]).abs())
        counts = pl.concat([chosen, rejected]).drop_nulls().value_counts()
        found["sides_by_version"] = dict(zip(counts.to_series(0).to_list(), counts["count"].to_list(), strict=True))
    return found


def _side(frame: pl.DataFrame, pairs: pl.DataFrame, side: str, column: str) -> pl.Series:
    keys = pairs.select(GROUP, **{INDEX: pl.col(side)})
    return keys.join(frame.select(*KEY, column), on=KEY, how="left", maintain_order="left")[column]


def _sums(values: pl.Series) -> dict[str, float]:
    """Return number and sum of what is not null and finite."""
    known = values.cast(pl.Float64).drop_nulls().drop_nans()
    return {"n": len(known), "sum": float(known.sum())}


def merge(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the figures of several parts."""
    total: dict[str, Any] = {}
    for part in parts:
        _add(total, part)
    return total


def _add(total: dict[str, Any], part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def mean(sums: Mapping[str, float] | None) -> float | None:
    """Return the mean of sums made here; null where nothing was summed."""
    return sums["sum"] / sums["n"] if sums and sums["n"] else None
