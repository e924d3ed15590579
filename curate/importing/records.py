"""Stored files as streams of records: JSONL line by line, Parquet by batches, CSV row by row; bad rows are rejects."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import ConfigError
from curate.importing.convert import BadValue
from curate.importing.files import JSONL, Source
from curate.importing.rollout import Item
from curate.records import Reject

# One line or cell longer than this is no sample; the limit keeps a file without line ends out of memory.
MAX_LINE = 256 << 20
MAX_EXCERPT = 500
BATCH_ROWS = 512
PEEK_RECORDS = 100


class Record(NamedTuple):
    """One row of a file: 1-based line or row number, values by column, and the raw line where there is one."""

    row: int
    values: dict[str, Any]
    line: bytes | None = None


def each(
    source: Source, make: Callable[[Record], Iterator[Item]], columns: Sequence[str] | None = None
) -> Iterator[Item]:
    """Make samples of every record of a file; a record that raises BadValue becomes a reject with that reason."""
    for record in records(source, columns):
        if isinstance(record, Reject):
            yield record
            continue
        try:
            yield from make(record)
        except BadValue as error:
            yield reject(source, record, str(error))


def reject(source: Source, record: Record, reason: str) -> Reject:
    """Say where a record is, why it cannot be a sample, and how it starts (500 characters)."""
    line = record.line or orjson.dumps(record.values, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Reject(source.name, record.row, reason, excerpt(line))


def excerpt(line: bytes) -> str:
    """Cut the first 500 characters of raw bytes, replacing what is not UTF-8."""
    return line[: 4 * MAX_EXCERPT].decode("utf-8", "replace")[:MAX_EXCERPT]


def records(source: Source, columns: Sequence[str] | None = None) -> Iterator[Record | Reject]:
    """Stream the records of a file by its suffix; ``columns`` limits what is read of a Parquet file.

    Raises ConfigError for a file that as a whole is not what its suffix says.
    """
    suffix = source.path.suffix.lower()
    if suffix in JSONL:
        return _jsonl(source)
    if suffix == ".parquet":
        return _parquet(source, columns)
    if suffix == ".csv":
        return _csv(source)
    raise ConfigError(
        f"{source.path}: import reads .jsonl, .parquet and .csv, not {suffix or 'files without a suffix'}"
    )


def peek(path: Path) -> list[str]:
    """List the columns of a file, nested ones by dotted path: from the schema, the header, or the first 100 lines."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        with _open_parquet(path) as file:
            return [name for field in file.schema_arrow for name in _schema_paths(field)]
    if suffix == ".csv":
        with _open_csv(path) as file:
            return _header(path, file)
    names: dict[str, None] = {}
    n_seen = 0
    for record in records(Source(path, path.name, True)):
        if isinstance(record, Record):
            names.update(dict.fromkeys(_json_paths(record.values)))
        n_seen += 1
        if n_seen == PEEK_RECORDS:
            break
    return list(names)


def float_columns(path: Path) -> list[str]:
    """List the columns of a Parquet file that hold floating-point numbers."""
    with _open_parquet(path) as file:
        return [field.name for field in file.schema_arrow if pa.types.is_floating(field.type)]


def _jsonl(source: Source) -> Iterator[Record | Reject]:
    with source.path.open("rb") as file:
        row = 0
        while line := file.readline(MAX_LINE):
            row += 1
            if row == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
                if line.lstrip()[:1] == b"[":
                    raise ConfigError(f"{source.path} is one JSON array: write one object a line (jq -c '.[]')")
            if len(line) == MAX_LINE and line[-1:] != b"\n":
                yield Reject(source.name, row, f"line is longer than {MAX_LINE} bytes", excerpt(line))
                _skip_line(file)
            elif not line.isspace():
                yield _parse(source, row, line)


def _skip_line(file: Any) -> None:
    while (rest := file.readline(MAX_LINE)) and rest[-1:] != b"\n":
        pass


def _parse(source: Source, row: int, line: bytes) -> Record | Reject:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            values = _lenient(line)
        except (ValueError, TypeError, RecursionError):
            last = "" if line[-1:] == b"\n" else " (last line, without line end: the file looks cut off)"
            return Reject(source.name, row, f"not JSON: {error}{last}", excerpt(line))
    if not isinstance(values, dict):
        return Reject(source.name, row, "not a JSON object", excerpt(line))
    return Record(row, values, line)


def _lenient(line: bytes) -> Any:
    """Read JSON as Python's json module writes it, with bare NaN and Infinity: trainers dump such lines."""
    if b"NaN" not in line and b"Infinity" not in line:
        raise ValueError("no NaN in it")
    values = json.loads(line)
    orjson.dumps(values)  # refuses what this module lets through: lone surrogates, integers beyond 64 bits
    return values


def _parquet(source: Source, columns: Sequence[str] | None) -> Iterator[Record | Reject]:
    with _open_parquet(source.path) as file:
        row = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False):
                for values in _rows(batch):
                    row += 1
                    yield Reject(source.name, row, "not UTF-8") if values is None else Record(row, values)
        except (pa.ArrowException, OSError) as error:
            raise ConfigError(f"{source.path} is broken after row {row}: {error}") from None


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """List the rows of a batch; None stands for one whose text is not UTF-8 (Parquet writers need not check)."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [_rows(batch.slice(i, 1))[0] for i in range(batch.num_rows)] if batch.num_rows > 1 else [None]


def _open_parquet(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path} is not a whole Parquet file: {error}") from None


def _csv(source: Source) -> Iterator[Record | Reject]:
    with _open_csv(source.path) as file:
        names = _header(source.path, file)
        reader = csv.reader(file)
        row = 0
        while True:
            row += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Reject(source.name, row, f"not CSV: {error}")
                continue
            if cells:
                yield _csv_record(source, row, names, cells)


def _csv_record(source: Source, row: int, names: list[str], cells: list[str]) -> Record | Reject:
    line = ",".join(cells).encode("utf-8", "surrogateescape")
    if len(cells) != len(names):
        return Reject(source.name, row, f"{len(cells)} cells for {len(names)} columns", excerpt(line))
    if not line.isascii() and not _is_utf8(line):
        return Reject(source.name, row, "not UTF-8", excerpt(line))
    return Record(row, dict(zip(names, cells, strict=True)), line)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _open_csv(path: Path) -> Any:
    # The module's limit of 128 KiB a cell is below what a long completion takes.
    csv.field_size_limit(min(MAX_LINE, sys.maxsize))
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _header(path: Path, file: Any) -> list[str]:
    names = next(csv.reader(file), [])
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: a column name stands twice in the header {', '.join(names)}")
    return names


def _json_paths(values: dict[str, Any], prefix: str = "", depth: int = 3) -> Iterator[str]:
    for name, value in values.items():
        yield prefix + name
        if isinstance(value, dict) and depth > 0:
            yield from _json_paths(value, f"{prefix}{name}.", depth - 1)


def _schema_paths(field: pa.Field, prefix: str = "") -> Iterator[str]:
    yield prefix + field.name
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _schema_paths(inner, f"{prefix}{field.name}.")
