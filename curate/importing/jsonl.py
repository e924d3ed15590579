"""JSONL files line by line: a bad line is a reject, never the end of the import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from curate.errors import ConfigError
from curate.importing.files import Source
from curate.importing.record import Record, excerpt
from curate.records import Reject

# One line longer than this is no sample; the limit keeps a file without line ends out of memory.
MAX_LINE = 256 << 20


def records(source: Source) -> Iterator[Record | Reject]:
    """Stream the objects of a JSONL file; blank lines are skipped, lines that are no JSON object are rejects.

    ConfigError for a file that is one JSON array.
    """
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


def paths(values: dict[str, Any], prefix: str = "", depth: int = 3) -> Iterator[str]:
    """List the keys of an object, those of objects in it by dotted path."""
    for name, value in values.items():
        yield prefix + name
        if isinstance(value, dict) and depth > 0:
            yield from paths(value, f"{prefix}{name}.", depth - 1)
