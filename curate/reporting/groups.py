"""Section 5: a few groups, as the policy wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.reporting import markup

MAX_SAMPLES = 16
MAX_LETTERS = 1200


@dataclass(frozen=True)
class GroupView:
    """One group: ``columns`` and ``rows`` of its samples, in the order shown, the completion in the first column."""

    title: str
    prompt: str
    answer: str | None
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def groups(datasets: Sequence[tuple[str, Sequence[GroupView]]]) -> str:
    """Return the section on groups, as HTML; ``datasets`` are (label, groups)."""
    lead = (
        "The first group of each kind in stored order, not a choice of good ones; equal samples are one row; A is the "
        "advantage under each recipe, or why the sample was dropped."
    )
    blocks = [block for label, views in datasets if views for block in _dataset(label, views)]
    return markup.section("A few groups to look at", markup.paragraph(lead, "note"), *blocks) if blocks else ""


def _dataset(label: str, views: Sequence[GroupView]) -> list[str]:
    return [markup.heading(label), *(_group(view) for view in views)]


def _group(view: GroupView) -> str:
    shown = spread(view.rows)
    few = (
        ""
        if len(shown) == len(view.rows)
        else f"{len(shown)} of its {len(view.rows)} different samples, evenly spaced."
    )
    answer = "" if view.answer is None else markup.paragraph(f"answer: {cut(view.answer)}", "note")
    rows = [(cut(str(row[0])), *row[1:]) for row in shown]
    return (
        f"<p><strong>{markup.escape(view.title)}</strong></p><pre>{markup.escape(cut(view.prompt))}</pre>{answer}"
        f'<div class="texts">{markup.table(view.columns, rows)}</div>' + (markup.paragraph(few, "note") if few else "")
    )


def spread(rows: Sequence[Sequence[Any]], n: int = MAX_SAMPLES) -> Sequence[Sequence[Any]]:
    """Return at most ``n`` rows, evenly spaced, the first and the last among them."""
    if len(rows) <= n:
        return rows
    return [rows[round(place * (len(rows) - 1) / (n - 1))] for place in range(n)]


def cut(text: str) -> str:
    """Return the text, or its beginning and how long it is."""
    return text if len(text) <= MAX_LETTERS else f"{text[:MAX_LETTERS]} ... ({len(text):,} characters)"
