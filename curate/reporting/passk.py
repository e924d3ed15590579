"""Section 3: pass@k, paired comparisons and diversity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from curate.reporting import charts, markup

CAPTION = (
    "Share of prompts with a correct sample among k (pass@k, unbiased), with 95 % intervals over prompts as bands; at "
    "hollow points some prompt has fewer than 2k samples and the estimate is coarse."
)


def pass_at_k(
    curve: pl.DataFrame,
    ks: Sequence[int],
    families: Sequence[Sequence[str]],
    pairs: pl.DataFrame,
    diversity: pl.DataFrame,
    *,
    inference: str,
    notes: Sequence[str] = (),
) -> str:
    """Return the section on pass@k, as HTML.

    - curve: name, x (k), y, low, high (null without an interval), m (fewest samples), n_prompts, is_flagged
    - ks: the k of the table, those asked for
    - families: the datasets of each figure: a start and what was trained from it
    - pairs: name, baseline, k, y (difference to the baseline), low, high, n_wins, n_ties, n_losses
    - diversity: one row a dataset, any columns
    - inference: the sentence on what the intervals say
    """
    blocks = [markup.listing(notes, "note")]
    if curve.height:
        drawn = [curve.filter(pl.col("name").is_in(family)) for family in families]
        figures = [_figure(family) for family in drawn if family.height]
        blocks += [_table(curve, ks), *figures, markup.paragraph(inference)]
    if pairs.height:
        blocks += [markup.heading("Against the baseline, prompt by prompt"), _pairs(pairs)]
    if diversity.height:
        blocks += [markup.heading("Diversity"), markup.table(diversity.columns, diversity.rows())]
    return markup.section("pass@k", *blocks)


def interval(value: float | None, low: float | None, high: float | None, *, is_signed: bool = False) -> str:
    """Return ``0.188 [0.150, 0.230]``, the value alone without an interval, ``-`` for null."""
    if value is None:
        return "-"
    sign = "+" if is_signed else ""
    bounds = f" [{low:{sign}.3f}, {high:{sign}.3f}]" if low is not None and high is not None else ""
    return f"{value:{sign}.3f}{bounds}"


def _table(curve: pl.DataFrame, ks: Sequence[int]) -> str:
    rows: list[list[Any]] = []
    for name in curve["name"].unique(maintain_order=True):
        points = {row["x"]: row for row in curve.filter(pl.col("name") == name).to_dicts()}
        shown = [_point(points[k]) if k in points else "-" for k in ks]
        rows.append([name, max(row["n_prompts"] for row in points.values()), *shown])
    note = "*: fewer than 2k samples for some prompt; -: fewer than k for every prompt."
    return markup.table(("dataset", "prompts", *(f"pass@{k}" for k in ks)), rows) + markup.paragraph(note, "note")


def _point(row: dict[str, Any]) -> str:
    return interval(row["y"], row["low"], row["high"]) + (" *" if row["is_flagged"] else "")


def _figure(curve: pl.DataFrame) -> str:
    chart = charts.lines(curve, x="k", y="pass@k", x_log=True)
    columns = ("dataset", "k", "pass@k", "low", "high", "fewest samples a prompt", "prompts", "m < 2k")
    rows = curve.select("name", "x", "y", "low", "high", "m", "n_prompts", "is_flagged").rows()
    return markup.figure(charts.svg(chart), CAPTION, columns, rows)


def _pairs(pairs: pl.DataFrame) -> str:
    rows = [
        (
            row["name"],
            row["baseline"],
            row["k"],
            interval(row["y"], row["low"], row["high"], is_signed=True),
            *_wins(row),
        )
        for row in pairs.to_dicts()
    ]
    columns = ("dataset", "minus", "k", "difference of pass@k", "prompts higher", "same", "lower")
    caption = (
        "Difference of pass@k on the prompts that both were asked, with its 95 % interval over those prompts: with the "
        "policy it was trained from, and with the first other one trained from that; where no manifest tells, with the "
        "first dataset."
    )
    return markup.table(columns, rows) + markup.paragraph(caption, "note")


def _wins(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["n_wins"], row["n_ties"], row["n_losses"]
