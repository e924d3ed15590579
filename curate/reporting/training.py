"""Section 4: training curves."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curate.reporting import charts, markup

FIGURES = {
    "drift": (
        "drift (nats a token)",
        "How far the policy moved from the one that sampled the data, against the tokens trained on: an estimate of "
        "KL(old || new) on the stored samples, as the trainer logged it at every step.",
    ),
    "entropy": (
        "entropy (nats a token)",
        "Entropy of the policy on the training samples, against the tokens trained on, as the trainer logged it at every "
        "step: a fall means that the policy is sharpening.",
    ),
}
MAX_ROWS = 60


def training(steps: pl.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return the section on training, as HTML.

    ``steps``: name (run), step, tokens (trained on so far), drift, entropy, loss, grad_norm; null where not logged.
    """
    blocks = [markup.listing(notes, "note")]
    blocks += [_figure(steps, column) for column in FIGURES if steps[column].count()]
    return markup.section("Training", *blocks)


def _figure(steps: pl.DataFrame, column: str) -> str:
    title, caption = FIGURES[column]
    known = steps.filter(pl.col(column).is_not_null() & pl.col("tokens").is_not_null())
    rows = known.select("name", x="tokens", y=column)
    chart = charts.lines(rows, x="tokens trained on", y=title)
    columns = ("run", "step", "tokens", column, "loss", "grad norm")
    shown = thinned(known).select("name", "step", "tokens", column, "loss", "grad_norm").rows()
    return markup.figure(charts.svg(chart), caption, columns, shown)


def thinned(steps: pl.DataFrame) -> pl.DataFrame:
    """Return about 60 rows a run, evenly spaced, the last one among them."""
    place = pl.int_range(pl.len()).over("name")
    last = pl.len().over("name") - 1
    stride = (pl.len().over("name") / MAX_ROWS).ceil().cast(pl.Int64)
    return steps.filter((place % stride == 0) | (place == last))
