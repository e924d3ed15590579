"""How the advantages of every recipe go together: their correlation over the samples that both keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.evaluating import Matrix

KEY = ["group_id", "sample_index"]
COLUMNS_A_TABLE = 12


class Together(NamedTuple):
    """The correlation of the advantages of each two variants, over the samples that both keep."""

    names: list[str]
    matrix: list[list[float | None]]

    def of(self, name: str) -> dict[str, float | None]:
        """Return the correlations of one variant with the others."""
        row = self.matrix[self.names.index(name)]
        return {other: value for other, value in zip(self.names, row, strict=True) if other != name}


def correlate(data: Dataset, names: list[str]) -> Together:
    """Correlate the stored advantages of the variants over the parts that all of them have.

    Parts that one of them lacks are said and left out; a part that breaks its contract, as one of an older version may,
    leaves everything unknown, and is said.
    """
    from curate.console import say
    from curate.errors import ContractError
    from curate.evaluating import correlations

    has = [set(data.parts(data.choose("advantages", name))) for name in names]
    shared = sorted(set.intersection(*has))
    if left := len(set.union(*has)) - len(shared):
        say(f"correlations: {left} part(s) that not every recipe has are left out")
    unknown: list[list[float | None]] = [[None] * len(names) for _ in names]
    if len(names) < 2 or not shared:
        return Together(names, unknown)
    try:
        return Together(names, correlations(_sums(data, names, shared)))
    except ContractError as error:
        say(f"correlations are left out: {error}")
        return Together(names, unknown)


def _sums(data: Dataset, names: list[str], parts: list[str]) -> Matrix:
    import numpy as np

    from curate.evaluating import pair_sums
    from curate.stage import progress

    total = np.zeros((4, len(names), len(names)))
    with progress(len(parts), "correlate", unit="part") as bar:
        for part in parts:
            total += pair_sums(_side_by_side(data, names, part))
            bar.update()
    return total


def print_correlations(together: Together) -> None:
    """Print the lower half of the matrix, a few columns a table."""
    from curate.console import print_table

    names = together.names
    if all(value is None for row in together.matrix for value in row):
        return
    for first in range(0, len(names) - 1, COLUMNS_A_TABLE):
        columns = range(first, min(first + COLUMNS_A_TABLE, len(names) - 1))
        rows = [
            [f"{row + 1} {names[row]}", *(_cell(together.matrix[row][c]) if c < row else "" for c in columns)]
            for row in range(first, len(names))
        ]
        print_table(("correlation of A where both keep", *(str(column + 1) for column in columns)), rows)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _side_by_side(data: Dataset, names: list[str], part: str) -> pl.DataFrame:
    """Return the advantages of one part, a column a variant, by its place."""
    import polars as pl

    from curate.stage import read_frame, same_keys

    key, columns = None, []
    for place, name in enumerate(names):
        ref = data.choose("advantages", name)
        frame = read_frame(data, ref, part, [*KEY, "advantage"])
        key = frame.select(KEY) if key is None else key
        same_keys(frame, key, f"{data.root}/{ref}/{part}")
        columns.append(frame["advantage"].rename(str(place)))
    return pl.DataFrame(columns)
