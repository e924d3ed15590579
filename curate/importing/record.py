"""One row of a stored file, and how a row that cannot be a sample is reported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from curate.importing.files import Source
from curate.records import Reject

MAX_EXCERPT = 500


class Record(NamedTuple):
    """One row of a file: 1-based line or row number, values by column, and the raw line where there is one."""

    row: int
    values: dict[str, Any]
    line: bytes | None = None


def reject(source: Source, record: Record, reason: str) -> Reject:
    """Say where a record is, why it cannot be a sample, and how it starts (500 characters)."""
    line = record.line or orjson.dumps(record.values, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Reject(source.name, record.row, reason, excerpt(line))


def excerpt(line: bytes) -> str:
    """Cut the first 500 characters of raw bytes, replacing what is not UTF-8."""
    return line[: 4 * MAX_EXCERPT].decode("utf-8", "replace")[:MAX_EXCERPT]


def listed(names: Iterable[str], most: int = 30) -> str:
    """List names for a message, the first of them where there are many."""
    known = [str(name)[:100] for name in names]
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
