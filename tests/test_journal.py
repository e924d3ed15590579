"""A kill at any byte loses no counted batch and repeats none."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from curate.journal import Journal

SCHEMA = pa.schema([("group_id", pa.int64()), ("logprobs", pa.large_list(pa.float32()))])


def batch(number: int) -> pa.RecordBatch:
    lists = pa.array([[-0.5, -1.0], None], SCHEMA.field(1).type)
    return pa.record_batch([pa.array([number, number]), lists], schema=SCHEMA)


def numbers(journal: Journal) -> list[int]:
    return [each.column(0)[0].as_py() for each in journal.batches()]


def test_a_tail_torn_at_any_byte_is_cut_after_the_last_whole_batch(tmp_path: Path) -> None:
    path = tmp_path / "part.arrows"
    ends = []
    with Journal(path, SCHEMA) as journal:
        for number in range(3):
            journal.append(batch(number))
            ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Journal(path, SCHEMA) as journal:
            n_whole = sum(end <= length for end in ends)
            assert journal.n_counted == n_whole
            journal.append(batch(9))
        assert numbers(journal) == [*range(n_whole), 9]


def test_a_batch_counts_only_after_a_sync(tmp_path: Path) -> None:
    with Journal(tmp_path / "part.arrows", SCHEMA) as journal:
        journal.append(batch(1))
        assert journal.n_counted == 0
        journal.sync()
        assert journal.n_counted == 1


def test_a_journal_of_another_schema_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "part.arrows"
    with Journal(path, pa.schema([("other", pa.string())])) as journal:
        journal.append(pa.record_batch([pa.array(["x"])], names=["other"]))
    with Journal(path, SCHEMA) as journal:
        assert journal.n_counted == 0
        journal.append(batch(4))
    assert numbers(journal) == [4]


def test_garbage_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "part.arrows"
    path.write_bytes(b"not an arrow stream at all" * 50)
    with Journal(path, SCHEMA) as journal:
        assert journal.n_counted == 0
        assert numbers(journal) == []
