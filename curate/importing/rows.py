"""Stored files as streams of records, by suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from curate.errors import ConfigError
from curate.importing import arrow, csvfile, jsonl, parquet
from curate.importing.convert import BadValueError
from curate.importing.files import JSONL, Source
from curate.importing.record import Record, reject
from curate.importing.rollout import Item
from curate.records import Reject

PEEK_RECORDS = 100


def each(
    source: Source, make: Callable[[Record], Iterator[Item]], columns: Sequence[str] | None = None
) -> Iterator[Item]:
    """Make samples of every record of a file; a record that raises BadValueError becomes a reject with that reason."""
    for record in records(source, columns):
        if isinstance(record, Reject):
            yield record
            continue
        try:
            yield from make(record)
        except BadValueError as error:
            yield reject(source, record, str(error))


def records(source: Source, columns: Sequence[str] | None = None) -> Iterator[Record | Reject]:
    """Stream the records of a file by its suffix; ``columns`` limits what is read of a Parquet file.

    Raises ConfigError for a file that as a whole is not what its suffix says.
    """
    suffix = source.path.suffix.lower()
    if suffix in JSONL:
        return jsonl.records(source)
    if suffix == ".parquet":
        return parquet.records(source, columns)
    if suffix == ".csv":
        return csvfile.records(source)
    if suffix == arrow.SUFFIX:
        return arrow.records(source, columns)
    raise ConfigError(
        f"{source.path}: import reads .jsonl, .parquet and .csv, not {suffix or 'files without a suffix'}"
    )


def peek(path: Path) -> list[str]:
    """List the columns of a file, nested ones by dotted path: from the schema, the header, or the first 100 lines."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return parquet.paths(path)
    if suffix == ".csv":
        return csvfile.header(path)
    if suffix == arrow.SUFFIX:
        return arrow.paths(path)
    first = islice(records(Source(path, path.name, True)), PEEK_RECORDS)
    return list(dict.fromkeys(name for r in first if isinstance(r, Record) for name in jsonl.paths(r.values)))
