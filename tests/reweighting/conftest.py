"""Small groups of samples for the tests of reweighting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest

MakeGroup = Callable[..., pl.DataFrame]


@pytest.fixture
def make_group() -> MakeGroup:
    """Make the frame of one group; only the columns that are given, each a list with a value a sample."""

    def make(rewards: Sequence[float | None], group_id: Any = 7, **columns: Sequence[Any]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "group_id": [group_id] * len(rewards),
                "sample_index": pl.Series(range(len(rewards)), dtype=pl.Int32),
                "reward": pl.Series(rewards, dtype=pl.Float64),
                **columns,
            }
        )

    return make
