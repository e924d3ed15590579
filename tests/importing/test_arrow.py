import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.errors import ConfigError
from curate.importing import arrow
from curate.importing.files import Source
from curate.importing.record import Record
from curate.records import Reject


def write_stream(path: Path, columns: dict[str, Any], rows_per_batch: int = 2) -> Path:
    table = pa.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=rows_per_batch):
            stream.write_batch(batch)
    return path


def save(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    for name, columns in files.items():
        write_stream(folder / name, columns)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in files]}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def source(path: Path) -> Source:
    return Source(path, path.name, True)


def test_rows_come_in_order_with_the_columns_asked_for(tmp_path: Path) -> None:
    path = write_stream(
        tmp_path / "d.arrow", {"q": ["a", "b", "c"], "more": [{"x": 1}, {"x": 2}, None], "big": [0] * 3}
    )
    assert list(arrow.records(source(path), ["q", "more.x"])) == [
        Record(1, {"q": "a", "more": {"x": 1}}),
        Record(2, {"q": "b", "more": {"x": 2}}),
        Record(3, {"q": "c", "more": None}),
    ]
    assert arrow.paths(path) == ["q", "more", "more.x", "big"]


def test_text_that_is_not_utf8_is_a_reject(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"\xff"], pa.binary()).view(pa.string())
    path = write_stream(tmp_path / "d.arrow", {"q": raw})
    assert list(arrow.records(source(path))) == [Record(1, {"q": "fine"}), Reject("d.arrow", 2, "not UTF-8")]


def test_a_file_that_is_cut_off_or_no_stream_is_refused(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "d.arrow", {"q": ["a" * 1000] * 8})
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ConfigError, match=r"d\.arrow is broken after row [246]"):
        list(arrow.records(source(path)))
    path.write_bytes(b"no arrow at all")
    with pytest.raises(ConfigError, match=r"d\.arrow is not a whole Arrow stream"):
        arrow.paths(path)


def test_the_files_of_a_split_come_in_the_order_of_its_state(tmp_path: Path) -> None:
    folder = save(tmp_path / "one", {"data-b.arrow": {"q": ["a"]}, "data-a.arrow": {"q": ["b"]}})
    assert arrow.is_saved(folder)
    files, split = arrow.saved_files(folder, None)
    assert [file.name for file in files] == ["data-b.arrow", "data-a.arrow"]
    assert split is None
    with pytest.raises(ConfigError, match="one split, saved without a name: leave --split away"):
        arrow.saved_files(folder, "train")


def test_a_dataset_of_several_splits_needs_the_name_of_one(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / split, {"data-0.arrow": {"q": [split]}})
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    files, split = arrow.saved_files(tmp_path, "test")
    assert ([file.name for file in files], split) == (["test/data-0.arrow"], "test")
    with pytest.raises(ConfigError, match=r"several splits \(train, test\): choose one with --split NAME"):
        arrow.saved_files(tmp_path, None)
    with pytest.raises(ConfigError, match=r"no split 'tests' \(did you mean 'test'\?\); it has train, test"):
        arrow.saved_files(tmp_path, "tests")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert arrow.saved_files(tmp_path, None)[1] == "train"


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/passwd", "gone.arrow", "", ".", None])
def test_a_state_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str | None) -> None:
    write_stream(tmp_path / "secret.arrow", {"q": ["a"]})
    folder = save(tmp_path / "one", {"data-0.arrow": {"q": ["a"]}})
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(ConfigError, match="which is not in it"):
        arrow.saved_files(folder, None)


@pytest.mark.parametrize("content", ["[]", "{", '{"_data_files": 3}'])
def test_a_state_of_another_shape_is_refused(tmp_path: Path, content: str) -> None:
    folder = save(tmp_path / "one", {"data-0.arrow": {"q": ["a"]}})
    (folder / "state.json").write_text(content)
    with pytest.raises(ConfigError, match=r"state\.json"):
        arrow.saved_files(folder, None)
