"""Order: bring samples into the order of their key, and back into the order of the input."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

KEY = ("group_id", "sample_index")


@dataclass(frozen=True)
class Order:
    """A frame in the order of its key, and where each row came from (null: the input was in order already).

    ``frame`` has one more column, ``group``: 0, 1, ... for each group, in order, so that grouping by it is cheap.
    """

    frame: pl.DataFrame
    came_from: pl.Series | None

    def restore(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring rows that are in the order of ``self.frame`` back into the order of the input."""
        return frame if self.came_from is None else frame[self.came_from.arg_sort()]


def in_key_order(frame: pl.DataFrame) -> Order:
    """Sort by (group_id, sample_index), unless groups are contiguous and sample_index ascends in each already."""
    numbered = _numbered(frame)
    if _ascends(numbered):
        return Order(numbered, None)
    came_from = frame.select(pl.struct(KEY).arg_sort()).to_series()
    return Order(_numbered(frame[came_from]), came_from)


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("group_id").rle_id().set_sorted().alias("group"))


def _ascends(numbered: pl.DataFrame) -> bool:
    starts = pl.col("group").diff().fill_null(1) != 0
    rising = (starts | (pl.col("sample_index").diff() > 0)).all()
    heads = pl.col("group_id").filter(starts)
    return bool(numbered.select(rising & ~heads.is_duplicated().any()).item())
