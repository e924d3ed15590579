from __future__ import annotations

import re
from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.importing import fingerprint
from curate.importing.files import find, numbers_report, take


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_numbered_files_come_in_counting_order_and_hidden_ones_not_at_all(tmp_path: Path) -> None:
    _touch(tmp_path, "10.jsonl", "2.jsonl", "sub/1.jsonl", ".cache/3.jsonl", ".hidden")
    assert [source.name for source in find([tmp_path])] == ["2.jsonl", "10.jsonl", "sub/1.jsonl"]


def test_names_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.jsonl", "b/1.jsonl")
    assert [s.name for s in find([tmp_path / "a/1.jsonl", tmp_path / "b"])] == ["a/1.jsonl", "b/1.jsonl"]
    assert [s.name for s in find([tmp_path / "a/1.jsonl"])] == ["1.jsonl"]


def test_a_file_the_user_names_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    _touch(tmp_path, "d/1.jsonl", "d/readme.md", "dump.jsonl")
    sources = find([tmp_path / "d", tmp_path / "dump.jsonl"])
    assert [s.name for s in take(sources, re.compile(r"^\d+\.jsonl$"))] == ["d/1.jsonl", "dump.jsonl"]


def test_a_missing_path_and_a_path_given_twice_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jsonl")
    with pytest.raises(ConfigError, match=r"nothing\.jsonl does not exist"):
        find([tmp_path / "nothing.jsonl"])
    with pytest.raises(ConfigError, match=r"a\.jsonl is given twice"):
        find([tmp_path, tmp_path / "a.jsonl"])


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.dp", "a.PICKLE"])
def test_pickles_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, name)
    with pytest.raises(ConfigError, match="is a pickle, and loading one runs the code in it"):
        find([tmp_path / name])


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3], "steps 1 to 3: 3 files"),
        ([1, 2, 4, 5], "steps 1 to 5: 4 files; 1 missing, the first is 3"),
        ([10, 20, 40, 50], "steps 10 to 50, every 10: 4 files; 1 missing, the first is 30"),
        ([7], "steps 7 only"),
        ([], "no steps"),
    ],
)
def test_coverage_of_numbered_files(numbers: list[int], expected: str) -> None:
    assert numbers_report(numbers, "steps") == expected


def test_a_fingerprint_changes_with_the_edges_and_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"a" * (3 << 20))
    before = fingerprint(find([path]))
    assert list(before) == ["a.jsonl"]
    assert before["a.jsonl"].startswith("3145728 ")
    assert fingerprint(find([path])) == before
    path.write_bytes(b"a" * (3 << 20) + b"b")
    longer = fingerprint(find([path]))
    path.write_bytes(b"a" * ((3 << 20) - 1) + b"b")
    assert len({str(before), str(longer), str(fingerprint(find([path])))}) == 3


def test_datasets_inside_a_folder_are_not_searched(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jsonl", "runs/2.jsonl")
    _touch(tmp_path / "runs/x", "samples/part-00000.parquet", "train.parquet", ".curate/import.finished")
    assert [source.name for source in find([tmp_path])] == ["1.jsonl", "runs/2.jsonl"]


def test_a_dataset_that_the_user_names_is_searched_beside_its_tables(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jsonl", "samples/part-00000.parquet", ".curate/import.finished")
    assert [source.name for source in find([tmp_path])] == ["1.jsonl"]
    assert [source.name for source in find([tmp_path / "samples"])] == ["part-00000.parquet"]
