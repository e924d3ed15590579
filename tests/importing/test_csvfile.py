from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing import csvfile
from curate.importing.files import Source
from curate.importing.record import Record
from curate.records import Reject


def _read(path: Path, content: bytes) -> list[Record | Reject]:
    path.write_bytes(content)
    return list(csvfile.records(Source(path, "a.csv", True)))


def test_rows_are_numbered_from_one_after_the_header(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b'\xef\xbb\xbfa,b\n1,"two\nlines"\n3,\n')
    assert [(r.row, r.values) for r in found if isinstance(r, Record)] == [
        (1, {"a": "1", "b": "two\nlines"}),
        (2, {"a": "3", "b": ""}),
    ]


def test_a_row_that_does_not_fit_the_header_is_a_reject(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b"a,b\n1\n1,2,3\n\xff,2\n4,5\n")
    assert [(r.line, r.reason) for r in found if isinstance(r, Reject)] == [
        (1, "1 cells for 2 columns"),
        (2, "3 cells for 2 columns"),
        (3, "not UTF-8"),
    ]
    assert isinstance(found[3], Record)


def test_a_long_cell_is_read_and_an_endless_one_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _read(tmp_path / "a", b"a\n" + b"x" * 300_000 + b"\n")
    assert isinstance(found[0], Record)
    assert len(found[0].values["a"]) == 300_000
    monkeypatch.setattr(csvfile, "MAX_CELL", 1000)
    found = _read(tmp_path / "a", b'a\n"' + b"x" * 2000 + b'"\nfine\n')
    assert isinstance(found[0], Reject)
    assert found[0].reason.startswith("not CSV: field larger")


def test_a_column_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,a\n")
    with pytest.raises(ConfigError, match="a column name stands twice in the header a, b, a"):
        csvfile.header(tmp_path / "a.csv")
