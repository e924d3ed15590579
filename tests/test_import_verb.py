"""``curate import``: what it writes again, what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset import Dataset, TableRef, parse_ref
from curate.parts import read_footer
from curate.states import missing_parts, part_states
from curate.verbs.check import find_problems
from stored import SAMPLES

VERDICTS, ADVANTAGES = TableRef("verdicts", "imported"), TableRef("advantages", "imported")
TABLES = ["prompts", "samples", "verdicts/verifier=imported", "advantages/recipe=imported"]
NAMES = ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


def curate(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def write_source(path: Path, n_groups: int = 6) -> Path:
    rows = [
        {
            "prompt": f"{path.stem}.{g}",
            "group": f"{path.stem}.{g}",
            "sample_index": i,
            "completion": f"a{i}",
            "reward": float(i == 0),
            "advantage": 1 - i,
        }
        for g in range(n_groups)
        for i in range(2)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source" / "rollouts.jsonl")


@pytest.fixture
def data(source: Path, tmp_path: Path) -> Dataset:
    """A dataset of three parts with verdicts and advantages."""
    curate("import", source, "--to", tmp_path / "data", "--rows-per-part", 4)
    return Dataset(tmp_path / "data")


def again(data: Dataset, source: Path, *options: object, code: int = 0) -> str:
    return curate("import", source, "--to", data.root, "--rows-per-part", 4, *options, code=code)


def content(data: Dataset) -> dict[str, bytes]:
    return {str(p.relative_to(data.root)): p.read_bytes() for p in sorted(data.root.glob("[a-z]*/**/*.parquet"))}


def test_a_finished_import_names_its_parts(data: Dataset) -> None:
    finished = json.loads((data.private / "import.finished").read_bytes())
    assert finished["parts"] == dict.fromkeys(TABLES, NAMES)
    assert missing_parts(data) == []


@pytest.mark.parametrize("table", TABLES)
def test_a_deleted_part_comes_back(data: Dataset, source: Path, table: str) -> None:
    before, path = content(data), data.part(parse_ref(table), NAMES[1])
    path.unlink()
    untouched = {p: p.stat().st_mtime_ns for p in data.root.glob("[a-z]*/**/*.parquet")}
    assert missing_parts(data) == [f"{table}/{NAMES[1]}"]
    assert "1 part(s) made (2 were done)" in again(data, source)
    assert content(data) == before
    assert {p: p.stat().st_mtime_ns for p in untouched} == untouched
    assert missing_parts(data) == []
    assert again(data, source) == "samples: nothing to do, 3 part(s) are imported\n"


def test_a_truncated_part_is_made_again(data: Dataset, source: Path) -> None:
    before, path = content(data), data.part(VERDICTS, NAMES[2])
    path.write_bytes(path.read_bytes()[:-10])
    said = again(data, source)
    assert f"{path} is no whole Parquet file: deleted, to be made again" in said
    assert content(data) == before


def test_an_overwrite_that_fails_leaves_the_old_dataset(data: Dataset, source: Path, tmp_path: Path) -> None:
    before = content(data)
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"prompt": "q", "completion": "a", "reward": "good"}) + "\n")
    assert "100.0%" in again(data, bad, "--overwrite", code=1)
    bad.write_text("")
    again(data, bad, "--overwrite", code=2)
    assert content(data) == before
    assert not (data.private / "replaced").exists()
    assert again(data, source) == "samples: nothing to do, 3 part(s) are imported\n"


def test_an_overwrite_sets_the_old_dataset_aside(data: Dataset, tmp_path: Path) -> None:
    again(data, write_source(tmp_path / "other.jsonl", 2), "--overwrite")
    assert data.parts(SAMPLES) == data.parts(VERDICTS) == NAMES[:1]
    assert len(list((data.private / "replaced").glob("*/parts/*.parquet"))) == 12
    assert find_problems(data) == []


def test_other_parameters_are_refused_before_the_source_is_read(data: Dataset, source: Path) -> None:
    said = again(data, source, "--correct-when", "reward > 0", code=2)
    assert 'correct_when: not set then, "reward > 0" now' in said
    assert "format generic" not in said


def test_verdicts_and_advantages_are_stale_once_their_samples_change(data: Dataset) -> None:
    samples = data.part(SAMPLES, NAMES[0])
    content_id = read_footer(samples).content_id
    for ref in (VERDICTS, ADVANTAGES):
        assert read_footer(data.part(ref, NAMES[0])).inputs == {"samples": content_id}
    pq.write_table(pq.read_table(samples, partitioning=None), samples)
    for ref in (VERDICTS, ADVANTAGES):
        assert [p.state for p in part_states(data, ref, [SAMPLES])] == ["stale", "done", "done"]


def test_samples_of_another_hand_get_no_verdicts_of_the_source(data: Dataset, source: Path) -> None:
    samples = data.part(SAMPLES, NAMES[0])
    pq.write_table(pq.read_table(samples, partitioning=None), samples)
    data.part(VERDICTS, NAMES[0]).unlink()
    assert "part-00000.parquet was not written by this import" in again(data, source, code=1)
    assert data.parts(VERDICTS) == NAMES[1:]
    for path in (samples, data.part(ADVANTAGES, NAMES[0])):
        path.unlink()
    again(data, source)
    assert find_problems(data) == []


def test_samples_whose_verdicts_a_kill_prevented_are_pending(data: Dataset, source: Path) -> None:
    (data.private / "import.finished").unlink()
    for ref in (VERDICTS, ADVANTAGES):
        data.part(ref, NAMES[2]).unlink()
    status = {record["table"]: (record["done"], record["pending"]) for record in data.status()}
    assert status["verdicts/verifier=imported"] == status["advantages/recipe=imported"] == (2, 1)
    assert find_problems(data) == []
    again(data, source)
    assert data.parts(VERDICTS) == data.parts(ADVANTAGES) == NAMES


def test_a_folder_that_holds_the_dataset_is_imported_twice(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    curate("import", ".", "--to", "runs/x")
    assert curate("import", ".", "--to", "runs/x") == "samples: nothing to do, 1 part(s) are imported\n"
    (source.parent / "readme.md").write_text("a file that no format reads")
    assert curate("import", ".", "--to", "runs/x") == "samples: nothing to do, 1 part(s) are imported\n"


def test_a_source_that_is_gone_stops_nothing(data: Dataset, source: Path) -> None:
    source.unlink()
    assert (
        again(data, source)
        == f"samples: nothing to do, 3 part(s) are imported; the source {source} is no longer there\n"
    )
    assert "rows_per_part: 4 then, 100000 now" in curate("import", source, "--to", data.root, code=2)
    for options in (["--overwrite"], []):
        data.part(SAMPLES, NAMES[0]).unlink(missing_ok=True)
        assert f"{source} does not exist" in again(data, source, *options, code=2)
    assert data.parts(SAMPLES) == NAMES[1:]


def test_a_path_that_never_was_the_source_is_a_mistake(data: Dataset, tmp_path: Path) -> None:
    assert "rolouts.jsonl does not exist" in again(data, tmp_path / "rolouts.jsonl", code=2)


def test_the_refusal_of_a_changed_source_names_its_files(tmp_path: Path) -> None:
    folder = write_source(tmp_path / "source" / "1.jsonl").parent
    for name in ("2.jsonl", "3.jsonl"):
        write_source(folder / name)
    curate("import", folder, "--to", tmp_path / "data")
    (folder / "1.jsonl").unlink()
    write_source(folder / "2.jsonl", 5)
    write_source(folder / "4.jsonl")
    said = curate("import", folder, "--to", tmp_path / "data", code=2)
    assert [line.split(" ", 3)[2] for line in said.splitlines() if "source." in line] == [
        "source.1.jsonl:",
        "source.2.jsonl:",
        "source.4.jsonl:",
    ]
    assert "not set now" in said
    assert "source.4.jsonl: not set then" in said


def test_rejects_of_an_earlier_import_go_away(tmp_path: Path) -> None:
    source, rejects = tmp_path / "rollouts.jsonl", tmp_path / "data/.curate/rejects/import.jsonl"
    source.write_text(json.dumps({"prompt": "q", "completion": "a", "reward": "good"}) + "\n")
    curate("import", source, "--to", tmp_path / "data", code=1)
    assert rejects.exists()
    write_source(source)
    curate("import", source, "--to", tmp_path / "data")
    assert not rejects.exists()
