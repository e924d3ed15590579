"""The rows that costly checks look at: slices of some parts, spread evenly over the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef

MOST_PARTS = 8


def looked_at(data: Dataset, ref: TableRef, columns: list[str], n: int) -> pl.DataFrame:
    """Return about ``n`` rows at most, as slices of parts of up to 8 of them, with a column ``part``."""
    import polars as pl

    frames = [
        _slice(data, ref, name, columns, start, size).with_columns(part=pl.lit(name))
        for name, start, size in _places(data, n)
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=[*columns, "part"])


def beside(data: Dataset, samples: list[str], ref: TableRef, columns: list[str], n: int) -> pl.DataFrame:
    """Return such slices of samples with columns of another table of that grain, joined by key."""
    from curate.dataset import TableRef

    keys = ["group_id", "sample_index"]
    left = looked_at(data, TableRef("samples"), [*keys, *samples], n)
    return left.join(looked_at(data, ref, [*keys, *columns], n).drop("part"), on=keys, how="inner")


def _places(data: Dataset, n: int) -> list[tuple[str, int, int]]:
    """Return part, first row and number of rows of each slice: the middle of parts that are spread evenly."""
    from curate.dataset import TableRef
    from curate.parts import n_rows

    samples = TableRef("samples")
    names = data.parts(samples)
    if len(names) > MOST_PARTS:
        names = [names[place * len(names) // MOST_PARTS] for place in range(MOST_PARTS)]
    sizes = [n_rows(data.part(samples, name)) for name in names]
    found, left = [], n
    for rest, (size, name) in enumerate(sorted(zip(sizes, names, strict=True))):
        mine = min(size, left // (len(names) - rest))
        found.append((name, (size - mine) // 2, mine))
        left -= mine
    return sorted(found)


def _slice(data: Dataset, ref: TableRef, name: str, columns: list[str], start: int, size: int) -> pl.DataFrame:
    import polars as pl

    from curate.contracts import contract
    from curate.parts import read_footer
    from curate.stage import read_frame

    path = data.part(ref, name)
    if not path.exists():
        return pl.DataFrame(schema=dict(_empty(ref.table).select(columns).schema))
    if read_footer(path).contract_hash != contract(ref.table).hash:
        return read_frame(data, ref, name, columns).slice(start, size)
    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False)  # reads the row groups of the slice alone
    return scan.select(columns).slice(start, size).collect()


def _empty(table: str) -> pl.DataFrame:
    import polars as pl

    from curate.contracts import contract

    frame = pl.from_arrow(contract(table).schema.empty_table())
    assert isinstance(frame, pl.DataFrame)
    return frame
