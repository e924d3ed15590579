"""Parts are whole or absent, and say what they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.errors import ContractError
from curate.parts import Footer, n_rows, read_footer, read_part, write_part
from stored import SAMPLES, small_dataset, write_rows

VERDICT = {"group_id": 1, "sample_index": 0, "outcome": "correct", "reward": 1.0, "seconds": 0.5}
REF = TableRef("verdicts", "exact")


def test_a_part_has_the_contract_s_schema_and_a_footer(tmp_path: Path) -> None:
    data = Dataset(tmp_path, create=True)
    content_id = write_rows(data, REF, "part-00000.parquet", [VERDICT], {"samples": "abc"})
    path = data.part(REF, "part-00000.parquet")
    assert pq.read_schema(path).remove_metadata().equals(contract("verdicts").schema, check_metadata=False)
    footer = read_footer(path)
    assert footer.content_id == content_id
    assert footer.inputs == {"samples": "abc"}
    assert footer.contract_hash == contract("verdicts").hash
    assert n_rows(path) == 1


def test_equal_rows_have_equal_content_ids_and_other_rows_another(tmp_path: Path) -> None:
    data = Dataset(tmp_path, create=True)
    first = write_rows(data, REF, "part-00000.parquet", [VERDICT])
    again = write_rows(data, REF, "part-00000.parquet", [VERDICT], {"samples": "other"})
    other = write_rows(data, REF, "part-00000.parquet", [{**VERDICT, "reward": 0.0}])
    assert first == again
    assert first != other


def test_a_part_without_rows_can_be_written(tmp_path: Path) -> None:
    data = Dataset(tmp_path, create=True)
    write_rows(data, REF, "part-00000.parquet", [])
    assert n_rows(data.part(REF, "part-00000.parquet")) == 0


def test_rows_that_break_the_contract_leave_nothing_behind(tmp_path: Path) -> None:
    data = Dataset(tmp_path, create=True)
    with pytest.raises(ContractError, match=r"isfinite\(reward\): 1 broken"):
        write_rows(data, REF, "part-00000.parquet", [{**VERDICT, "reward": float("nan")}])
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_truncated_part_is_named(tmp_path: Path) -> None:
    data = small_dataset(tmp_path)
    path = data.part(SAMPLES, "part-00001.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ContractError, match=r"part-00001.parquet cannot be read as a whole Parquet file"):
        read_part(path, contract("samples"))


def test_a_part_that_was_not_written_here_is_checked_when_read(tmp_path: Path) -> None:
    data = Dataset(tmp_path, create=True)
    write_rows(data, REF, "part-00000.parquet", [VERDICT])
    path = data.part(REF, "part-00000.parquet")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.replace_schema_metadata(None), path)
    assert read_footer(path).content_id.startswith("foreign-")
    assert read_part(path, contract("verdicts"), ["reward"]).to_pydict() == {"reward": [1.0]}
    bad = rows.set_column(3, "reward", [[float("inf")]]).replace_schema_metadata(None)
    pq.write_table(bad, path)
    with pytest.raises(ContractError, match=r"isfinite\(reward\)"):
        read_part(path, contract("verdicts"), ["outcome"])


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A file system of 256 KiB, as a full disk."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_no_part_and_no_temporary_file(tiny_disk: Path) -> None:
    rules = contract("samples")
    n = 4000
    rows = rules.rows(
        {
            "group_id": list(range(n)),
            "sample_index": [0] * n,
            "prompt_id": ["p"] * n,
            "completion": [os.urandom(64).hex() for _ in range(n)],
            "token_exact": [False] * n,
            "hinted": [False] * n,
        }
    )
    path = tiny_disk / "samples" / "part-00000.parquet"
    with pytest.raises(OSError, match="No space left"):
        write_part(path, rows, rules, Footer(rules.hash, "", {}, {}), tiny_disk / ".curate" / "tmp")
    assert [p for p in tiny_disk.rglob("*") if p.is_file()] == []
