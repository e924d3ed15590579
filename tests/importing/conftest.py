"""A whole import in one call: its report, its rejects, and its tables as frames, checked against the contracts."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.contracts import contract, violations
from curate.importing import Options, load, parse_map
from importing_case import Bring, Imported

IMPORTED = ("prompts", "samples", "verdicts", "feedback", "advantages")


@pytest.fixture
def bring(tmp_path: Path) -> Bring:
    """Import paths with ``--map`` items and options, and check every part of every table against its contract."""

    def run(
        *paths: Path,
        format: str | None = None,
        map: Sequence[str] = (),
        correct_when: str | None = None,
        decode: Callable[[Sequence[int]], str] | None = None,
        rows_per_part: int = 1000,
        source: str = "test",
    ) -> Imported:
        options = Options(parse_map(map), correct_when, decode)
        loaded = load(list(paths), format, options, tmp_path / "spill", rows_per_part, source)
        names, tables = [], []
        for name, part in loaded.parts({table: contract(table).loose_schema for table in IMPORTED}):
            names.append(name)
            tables.append(part)
            for table, rows in part.items():
                assert rows.schema.equals(contract(table).loose_schema)
                assert violations(contract(table), rows) == []
                assert table == "prompts" or rows.num_rows == part["samples"].num_rows
        lines = loaded.rejects_path.read_text().splitlines()
        frames = {table: _concatenated([p[table] for p in tables]) for table in (tables[0] if tables else {})}
        return Imported(
            loaded.report,
            [json.loads(line) for line in lines],
            names,
            frames.get("prompts", pl.DataFrame()),
            frames.get("samples", pl.DataFrame()),
            frames.get("verdicts"),
            frames.get("advantages"),
        )

    return run


def _concatenated(tables: list[pa.Table]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame)
    return frame


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as JSON lines, as Python's json module does: NaN stays bare."""

    def write(name: str, rows: Sequence[dict[str, Any] | str]) -> Path:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write columns as a Parquet file."""

    def write(name: str, columns: dict[str, Any]) -> Path:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    return write


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Write rows of cells as a CSV file, the header first."""

    def write(name: str, rows: Sequence[Sequence[str]]) -> Path:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        return path

    return write


@pytest.fixture
def public_data() -> Path:
    """Find the folder of public data files, or skip."""
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA does not name a folder of public data files")
    return Path(folder)
