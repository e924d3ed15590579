"""CSV files row by row: every cell is text, a row that does not fit the header is a reject."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curate.errors import ConfigError
from curate.importing.files import Source
from curate.importing.record import Record, excerpt, listed
from curate.records import Reject

# The csv module's own limit, 128 KiB a cell, is below what a long completion takes.
MAX_CELL = 256 << 20


def records(source: Source) -> Iterator[Record | Reject]:
    """Stream the rows of a CSV file with a header."""
    with _open(source.path) as file:
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
                yield _record(source, row, names, cells)


def _record(source: Source, row: int, names: list[str], cells: list[str]) -> Record | Reject:
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


def _open(path: Path) -> Any:
    csv.field_size_limit(MAX_CELL)
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _header(path: Path, file: Any) -> list[str]:
    names = next(csv.reader(file), [])
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: a column name stands twice in the header {listed(names)}")
    return names


def header(path: Path) -> list[str]:
    """List the columns of a CSV file."""
    with _open(path) as file:
        return _header(path, file)
