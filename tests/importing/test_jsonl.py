from __future__ import annotations

import math
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing import jsonl
from curate.importing.files import Source
from curate.importing.record import Record
from curate.records import Reject


def _read(path: Path, content: bytes) -> list[Record | Reject]:
    path.write_bytes(content)
    return list(jsonl.records(Source(path, "a.jsonl", True)))


def test_lines_are_numbered_from_one_and_blank_ones_skipped(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b'\xef\xbb\xbf{"a":1}\n\n  \n{"a":2}')
    assert [(r.row, r.values) for r in found if isinstance(r, Record)] == [(1, {"a": 1}), (4, {"a": 2})]


def test_a_bad_line_is_a_reject_with_its_text_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b'{"a":1}\nnot json\n[1]\n\xff\xfe\n{"a":2}\n')
    rejects = [r for r in found if isinstance(r, Reject)]
    assert [(r.line, r.text) for r in rejects] == [(2, "not json\n"), (3, "[1]\n"), (4, "��\n")]
    assert rejects[0].reason.startswith("not JSON: ")
    assert rejects[1].reason == "not a JSON object"
    assert len(found) == 5


def test_a_cut_off_last_line_says_so(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b'{"a":1}\n{"a":')
    assert isinstance(found[1], Reject)
    assert found[1].reason.endswith("(last line, without line end: the file looks cut off)")


def test_bare_nan_is_read_as_pythons_json_writes_it(tmp_path: Path) -> None:
    found = _read(tmp_path / "a", b'{"a":NaN,"b":-Infinity}\n{"a":NaN,"b":"\\ud800"}\n')
    assert isinstance(found[0], Record)
    assert math.isnan(found[0].values["a"])
    assert isinstance(found[1], Reject)


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": NaN, "b":' + b"[" * 100_000])
def test_deep_nesting_is_a_reject(tmp_path: Path, line: bytes) -> None:
    found = _read(tmp_path / "a", b'{"a":1}\n' + line + b"\n")
    assert isinstance(found[1], Reject)
    assert len(found[1].text) == 500


def test_an_overlong_line_is_a_reject_and_its_rest_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 16)
    found = _read(tmp_path / "a", b'{"a":1}\n{"a":"' + b"x" * 50 + b'"}\n{"a":2}\n')
    assert [type(r) for r in found] == [Record, Reject, Record]
    assert isinstance(found[1], Reject)
    assert found[1].reason == "line is longer than 16 bytes"
    assert isinstance(found[2], Record)
    assert found[2].row == 3


def test_a_json_array_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is one JSON array: write one object a line"):
        _read(tmp_path / "a", b'[{"a":1},\n{"a":2}]')


def test_paths_reach_into_objects() -> None:
    assert list(jsonl.paths({"a": 1, "b": {"c": {"d": 2}}})) == ["a", "b", "b.c", "b.c.d"]
