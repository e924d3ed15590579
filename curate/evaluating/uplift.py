"""Which correct samples training made likelier: those the policy already liked, or the rare ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

N_BINS = 8
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Place:
    """The correct samples at some ranks: how many, and the share whose log-prob rose (null where there are none)."""

    ranks: str
    n: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Uplift:
    """Uplift rate by rank; ``by_rank`` has one place a rank and is empty where groups differ in size."""

    by_rank: list[Place]
    bins: list[Place]
    rate: float | None
    n_groups: int
    n_correct: int
    n_not_scored: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def uplift_by_rank(frame: pl.DataFrame, n_bins: int = N_BINS) -> Uplift:
    """Return the share of correct samples that training made likelier, by their rank under the initial model.

    Reads group_id, outcome, initial and trained (summed log-probs, nats), one row a sample. Inside each group all
    samples, correct and wrong, are ordered by ``initial``, likeliest first, rank 0 first as published; ties keep the
    order of the rows. For correct samples the mean of 1[trained > initial] at each rank, over groups. A rise of less
    than 1e-4 nats is rounding of two scorers and counts as none. ``bins`` takes about equal runs of ranks, or, where
    groups differ in size, eighths of each group. Samples that either model did not score leave their group and are
    counted; a group of one has rank 0. Source: arXiv 2506.02355, section 4.
    """
    scored = frame.drop_nulls(["initial", "trained"])
    place = pl.col("initial").rank("ordinal", descending=True).over("group_id").cast(pl.Int64) - 1
    ranked = scored.with_columns(rank=place, size=pl.len().over("group_id").cast(pl.Int64))
    correct = ranked.filter(pl.col("outcome").cast(pl.String) == "correct").select(
        "rank", "size", is_lifted=(pl.col("trained") - pl.col("initial") > TOLERANCE).cast(pl.Float64)
    )
    sizes = ranked["size"].unique().to_list()
    by_rank = _by_rank(correct, sizes[0]) if len(sizes) == 1 else []
    return Uplift(
        by_rank=by_rank,
        bins=_merged(by_rank, n_bins) if by_rank else _by_share(correct, n_bins),
        rate=_rate(correct),
        n_groups=ranked["group_id"].n_unique(),
        n_correct=correct.height,
        n_not_scored=frame.height - scored.height,
    )


def _rate(correct: pl.DataFrame) -> float | None:
    return float(correct["is_lifted"].to_numpy().mean()) if correct.height else None


def _by_rank(correct: pl.DataFrame, size: int) -> list[Place]:
    sums = correct.group_by("rank").agg(n=pl.len(), lifted=pl.col("is_lifted").sum())
    found = {rank: (n, lifted) for rank, n, lifted in sums.iter_rows()}
    places = [(rank, *found.get(rank, (0, 0.0))) for rank in range(size)]
    return [Place(str(rank), n, lifted / n if n else None) for rank, n, lifted in places]


def _merged(places: list[Place], n_bins: int) -> list[Place]:
    width = -(-len(places) // n_bins)
    runs = [places[low : low + width] for low in range(0, len(places), width)]
    merged = []
    for run in runs:
        n = sum(place.n for place in run)
        lifted = sum(place.n * place.rate for place in run if place.rate is not None)
        ranks = run[0].ranks if len(run) == 1 else f"{run[0].ranks}-{run[-1].ranks}"
        merged.append(Place(ranks, n, lifted / n if n else None))
    return merged


def _by_share(correct: pl.DataFrame, n_bins: int) -> list[Place]:
    placed = correct.with_columns(bin=pl.col("rank") * n_bins // pl.col("size"))
    runs = [placed.filter(pl.col("bin") == place) for place in range(n_bins)] if correct.height else []
    return [Place(f"{i}/{n_bins}-{i + 1}/{n_bins}", run.height, _rate(run)) for i, run in enumerate(runs)]
