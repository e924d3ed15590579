from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import ConfigError
from curate.importing import parquet as parquet_rows
from curate.importing.files import Source
from curate.importing.record import Record
from curate.records import Reject


def test_rows_are_numbered_from_one_across_batches(parquet: Callable[..., Path]) -> None:
    path = parquet("a.parquet", {"n": list(range(1200)), "other": ["x"] * 1200})
    found = list(parquet_rows.records(Source(path, "a", True), ["n"]))
    assert [r.row for r in found if isinstance(r, Record)] == list(range(1, 1201))
    assert isinstance(found[-1], Record)
    assert found[-1].values == {"n": 1199}


def test_a_nested_column_is_read_by_its_path(parquet: Callable[..., Path]) -> None:
    path = parquet("a.parquet", {"m": [{"truth": "4", "style": "rule"}], "f": pa.array([0.5])})
    assert parquet_rows.paths(path) == ["m", "m.truth", "m.style", "f"]
    assert parquet_rows.float_columns(path) == ["f"]
    (record,) = parquet_rows.records(Source(path, "a", True), ["m.truth"])
    assert isinstance(record, Record)
    assert record.values == {"m": {"truth": "4"}}


def test_text_that_is_not_utf8_rejects_its_row_alone(parquet: Callable[..., Path]) -> None:
    binary = pa.array([b"good", b"\xff", b"fine"])
    path = parquet("a.parquet", {"t": binary.view(pa.string())})
    found = list(parquet_rows.records(Source(path, "a", True)))
    assert isinstance(found[1], Reject)
    assert (found[1].line, found[1].reason) == (2, "not UTF-8")
    assert [r.values["t"] for r in found if isinstance(r, Record)] == ["good", "fine"]


def test_a_truncated_or_foreign_file_is_refused_by_name(parquet: Callable[..., Path], tmp_path: Path) -> None:
    path = parquet("a.parquet", {"n": list(range(1000))})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ConfigError, match=r"a\.parquet is not a whole Parquet file"):
        list(parquet_rows.records(Source(path, "a", True)))
    path.write_text("prompt,completion\n")
    with pytest.raises(ConfigError, match=r"a\.parquet is not a whole Parquet file"):
        parquet_rows.paths(path)


def test_damage_inside_is_refused_with_the_row(parquet: Callable[..., Path]) -> None:
    path = parquet("a.parquet", {"t": [f"text number {i}" for i in range(5000)]})
    content = bytearray(path.read_bytes())
    content[200:3000] = b"\x00" * 2800
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.parquet is broken after row 0"):
        list(parquet_rows.records(Source(path, "a", True)))
