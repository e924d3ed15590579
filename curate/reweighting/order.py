"""Order: bring samples into the order of their key, and back into the order of the input."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

KEY = ("group_id", "sample_index")
GROUP = "group"


@dataclass(frozen=True)
class Ordered:
    """A frame in the order of its key, and which input row each row was (null: the input was in order already).

    ``frame`` has one more column, ``group``: 0, 1, ... for each group in order, so that grouping by it is cheap.
    """

    frame: pl.DataFrame
    came_from: pl.Series | None

    def restore(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring rows that are in the order of ``self.frame`` back into the order of the input."""
        return frame if self.came_from is None else frame[self.came_from.arg_sort()]


def in_key_order(frame: pl.DataFrame) -> Ordered:
    """Sort by (group_id, sample_index), unless groups are contiguous and sample_index ascends in each already."""
    numbered = _numbered(frame)
    if _ascends(numbered):
        return Ordered(numbered, None)
    came_from = frame.select(KEY).with_row_index("came_from").sort(KEY)["came_from"]
    return Ordered(_numbered(frame[came_from]), came_from)


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("group_id").rle_id().set_sorted().alias(GROUP))


def _ascends(numbered: pl.DataFrame) -> bool:
    starts = (pl.col(GROUP) != pl.col(GROUP).shift()).fill_null(True)
    rises = starts | (pl.col("sample_index") > pl.col("sample_index").shift())
    returns = pl.col("group_id").filter(starts).is_duplicated().any()
    return bool(numbered.select(rises.all() & ~returns).item())
