"""Parquet files batch by batch: a row whose text is not UTF-8 is a reject, a broken file a ConfigError."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import ConfigError
from curate.importing.files import Source
from curate.importing.record import Record
from curate.records import Reject

BATCH_ROWS = 512


def records(source: Source, columns: Sequence[str] | None = None) -> Iterator[Record | Reject]:
    """Stream the rows of a Parquet file; ``columns`` (dotted paths too) limits what is read."""
    with _open(source.path) as file:
        row = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False):
                for values in rows_of(batch):
                    row += 1
                    yield Reject(source.name, row, "not UTF-8") if values is None else Record(row, values)
        except (pa.ArrowException, OSError) as error:
            raise ConfigError(f"{source.path} is broken after row {row}: {error}") from None


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """List the rows of a batch; None stands for one whose text is not UTF-8 (Parquet writers need not check)."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [rows_of(batch.slice(i, 1))[0] for i in range(batch.num_rows)] if batch.num_rows > 1 else [None]


def _open(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path} is not a whole Parquet file: {error}") from None


def paths(path: Path) -> list[str]:
    """List the columns of a Parquet file, those inside structs by dotted path."""
    with _open(path) as file:
        return [name for field in file.schema_arrow for name in field_paths(field)]


def float_columns(path: Path) -> list[str]:
    """List the columns of a Parquet file that hold floating-point numbers."""
    with _open(path) as file:
        return [field.name for field in file.schema_arrow if pa.types.is_floating(field.type)]


def field_paths(field: pa.Field, prefix: str = "") -> Iterator[str]:
    """List a column and, by dotted path, the fields of the structs in it."""
    yield prefix + field.name
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from field_paths(inner, f"{prefix}{field.name}.")
