"""Correlation of columns with each other, pair by pair, as sums that add up over parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

NOISE = 1e-12


def pair_sums(frame: pl.DataFrame) -> Matrix:
    """Return the moments of every pair of columns over the rows in which both have a value, (4, C, C).

    In the order n, sum x, sum x^2, sum x y, where x is the column of the first index; those of y are the transposes.
    Columns are numbers, null = no value. Parts add: ``pair_sums(a) + pair_sums(b)``. A frame of no rows gives zeros.
    """
    values_NC = np.column_stack([frame[name].fill_null(0.0).to_numpy() for name in frame.columns]).astype(np.float64)
    known_NC = np.column_stack([frame[name].is_not_null().to_numpy() for name in frame.columns]).astype(np.float64)
    return np.stack(
        [known_NC.T @ known_NC, values_NC.T @ known_NC, (values_NC**2).T @ known_NC, values_NC.T @ values_NC]
    )


def correlations(sums: Matrix) -> list[list[float | None]]:
    """Return Pearson's correlation of every pair of columns from their ``pair_sums``, (C, C).

    Null where fewer than two rows have both, or one of the columns is constant over them.
    """
    n, x, xx, xy = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = xx - x**2 / n
        shared = xy - x * x.T / n
        found: Any = shared / np.sqrt(spread * spread.T)
    # Below rounding noise of the sums a spread is 0, and there is no correlation.
    is_constant = ~(spread > NOISE * xx)
    unknown = (n < 2) | is_constant | is_constant.T
    return [
        [None if no else min(1.0, max(-1.0, float(value))) for value, no in zip(values, row, strict=True)]
        for values, row in zip(found, unknown, strict=True)
    ]
