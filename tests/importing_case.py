"""What the tests of imports look at: one import's report, rejects and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.importing import Report


@dataclass
class Imported:
    """What one import gave; a table that it did not write is null."""

    report: Report
    rejects: list[dict[str, Any]]
    parts: list[str]
    prompts: pl.DataFrame
    samples: pl.DataFrame
    verdicts: pl.DataFrame | None
    advantages: pl.DataFrame | None

    def reasons(self) -> list[tuple[str, int, str]]:
        """List the rejects as (file, line, reason)."""
        return [(r["file"], r["line"], r["reason"]) for r in self.rejects]

    def groups(self) -> list[list[str]]:
        """List the completions of each group, in the order of the tables."""
        grouped = self.samples.group_by("group_id", maintain_order=True).agg("completion")
        return [list(group) for group in grouped["completion"]]


Bring = Callable[..., Imported]
