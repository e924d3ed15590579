"""Ways to match the samples of a group into pairs."""

from __future__ import annotations

import polars as pl

from curate.pairing.recipe import GROUP, INDEX


def ends(
    samples: pl.DataFrame,
    by: str,
    *,
    ties: str | None = None,
    chosen_from: pl.Expr | None = None,
    rejected_from: pl.Expr | None = None,
) -> pl.DataFrame:
    """Match the best with the worst of each group by the column ``by``: a row a group, both sides' columns suffixed.

    Among equals the sample of the lowest ``sample_index`` is taken; with ``ties``, a column, the best of the lowest value
    and the worst of the highest. ``chosen_from`` and ``rejected_from`` say who may be on a side (all). Groups that have
    nobody for a side give no row.
    """
    tie = [ties] if ties else []
    best = _first(samples, chosen_from, [by, *tie, INDEX], [True, *(False for _ in tie), False])
    worst = _first(samples, rejected_from, [by, *tie, INDEX], [False, *(True for _ in tie), False])
    return best.join(worst, on=GROUP, how="inner", suffix="_rejected", maintain_order="left").rename(
        {INDEX: "chosen", f"{INDEX}_rejected": "rejected"}
    )


def _first(samples: pl.DataFrame, allowed: pl.Expr | None, columns: list[str], descending: list[bool]) -> pl.DataFrame:
    kept = samples if allowed is None else samples.filter(allowed)
    ordered = kept.sort([GROUP, *columns], descending=[False, *descending])
    return ordered.unique(GROUP, keep="first", maintain_order=True)


def neighbours(samples: pl.DataFrame, by: str) -> pl.DataFrame:
    """Match sample 0 of each group with 1, 2 with 3, and so on: disjoint pairs that no look at the rewards has chosen.

    Places count the samples that take part, in the order of ``sample_index``. The side with more of ``by`` is chosen,
    of equals the first. The last sample of an odd group is in no pair.
    """
    places = samples.with_columns(place=pl.int_range(pl.len()).over(GROUP))
    first, second = (places.filter(pl.col("place") % 2 == side) for side in (0, 1))
    both = first.join(
        second.with_columns(pl.col("place") - 1),
        on=[GROUP, "place"],
        how="inner",
        suffix="_rejected",
        maintain_order="left",
    )
    is_turned = pl.col(f"{by}_rejected") > pl.col(by)
    one, other = pl.col(INDEX), pl.col(f"{INDEX}_rejected")
    return both.select(
        GROUP,
        chosen=pl.when(is_turned).then(other).otherwise(one),
        rejected=pl.when(is_turned).then(one).otherwise(other),
        **{
            by: pl.max_horizontal(by, f"{by}_rejected"),
            f"{by}_rejected": pl.min_horizontal(by, f"{by}_rejected"),
        },
    )


def finished(matched: pl.DataFrame, target: pl.Expr | None = None, smoothing: pl.Expr | None = None) -> pl.DataFrame:
    """Return the columns of a pair; a target or smoothing that is not given is null."""
    nothing = pl.lit(None, pl.Float64)
    return matched.select(
        GROUP,
        pl.col("chosen", "rejected").cast(pl.Int32),
        target=(nothing if target is None else target).cast(pl.Float64),
        smoothing=(nothing if smoothing is None else smoothing).cast(pl.Float64),
    )
