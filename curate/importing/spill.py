"""The import's scratch files: every sample with its group's ordinal, every new prompt, every reject.

A source comes in any order and size, a part holds whole groups: so the rows are written once as they come and read
again part by part. They are sorted by ordinal a flush at a time and cut into small row groups, so that the
statistics let the second reading skip most of a file even when the groups lie scattered.
"""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curate.importing.record import excerpt
from curate.importing.rollout import Rollout
from curate.records import Reject

FLUSH_BYTES = 64 << 20
FLUSH_ROWS = 65_536
ROW_GROUP = 4_096
N_FIRST_REJECTS = 5

ROWS = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("arrival", pa.int64()),
        ("prompt_id", pa.large_string()),
        ("file", pa.large_string()),
        ("row", pa.int64()),
        ("sample_index", pa.int32()),
        ("completion", pa.large_string()),
        ("completion_ids", pa.large_list(pa.int32())),
        ("logprobs", pa.large_list(pa.float32())),
        ("loss_mask", pa.large_list(pa.bool_())),
        ("finish_reason", pa.large_string()),
        ("policy", pa.large_string()),
        ("policy_version", pa.large_string()),
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("seed", pa.int64()),
        ("token_exact", pa.bool_()),
        ("logprob_semantics", pa.large_string()),
        ("hinted", pa.bool_()),
        ("reward", pa.float64()),
        ("accuracy", pa.bool_()),
        ("advantage", pa.float64()),
        ("q", pa.float64()),
        ("visits", pa.int64()),
    ]
)
PROMPTS = pa.schema(
    [
        ("ordinal", pa.int64()),
        ("prompt_id", pa.large_string()),
        ("prompt", pa.large_string()),
        ("prompt_format", pa.large_string()),
        ("prompt_ids", pa.large_list(pa.int32())),
        ("answer", pa.large_string()),
        ("reference", pa.large_string()),
        ("domain", pa.large_string()),
        ("source", pa.large_string()),
        ("source_file", pa.large_string()),
        ("source_row", pa.int64()),
    ]
)


class Table:
    """A Parquet file that is filled row by row in bounded memory; column 0 is the ordinal that its flushes sort by."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=False)
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def add(self, row: tuple[Any, ...], size: int) -> None:
        """Append a row of about ``size`` bytes."""
        self._rows.append(row)
        self._bytes += size
        if self._bytes >= FLUSH_BYTES or len(self._rows) >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held, sorted by ordinal (rows of one ordinal keep their order)."""
        if self._rows:
            self._rows.sort(key=_ordinal)
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.table(arrays, schema=self._schema), row_group_size=ROW_GROUP)
        self._rows, self._bytes = [], 0

    def close(self) -> None:
        """Write the rest and the footer."""
        self.flush()
        self._writer.close()


class Spill:
    """The three scratch files of one import in ``folder``: rows.parquet, prompts.parquet and rejects.jsonl."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = Table(folder / "rows.parquet", ROWS)
        self.prompts = Table(folder / "prompts.parquet", PROMPTS)
        self.rejects_path = folder / "rejects.jsonl"
        self._rejects = self.rejects_path.open("wb")
        self.n_rows = 0
        self.n_rejects = 0
        self.first_rejects: list[Reject] = []

    def add(self, ordinal: int, prompt_id: str, rollout: Rollout) -> None:
        """Append a sample of a group."""
        place = (ordinal, self.n_rows, prompt_id, rollout.file, rollout.row)
        sample: tuple[Any, ...] = tuple(rollout)[_FIRST_SAMPLE_FIELD:]
        self.rows.add(place + sample, 200 + _size(rollout.completion) + 9 * _size(rollout.completion_ids))
        self.n_rows += 1

    def add_prompt(self, ordinal: int, row: dict[str, Any]) -> None:
        """Append a prompt, first met in the group of this ordinal."""
        size = 200 + _size(row["prompt"]) + 4 * _size(row["prompt_ids"]) + _size(row["reference"])
        self.prompts.add((ordinal, *row.values()), size)

    def reject(self, reject: Reject) -> None:
        """Append a reject to the journal, and keep the first few for the report."""
        entry = {"file": reject.file, "line": reject.line, "reason": reject.reason, "text": reject.text}
        self._rejects.write(orjson.dumps(entry) + b"\n")
        self.n_rejects += 1
        if len(self.first_rejects) < N_FIRST_REJECTS:
            self.first_rejects.append(reject)

    def reject_rollout(self, rollout: Rollout, reason: str) -> None:
        """Reject a sample that was read but does not fit where it says it belongs."""
        self.reject(Reject(rollout.file, rollout.row, reason, excerpt((rollout.completion or "").encode())))

    def close_tables(self) -> None:
        """Finish the two Parquet files; rejects may still come."""
        self.rows.close()
        self.prompts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rejects.close()


_FIRST_SAMPLE_FIELD = Rollout._fields.index("sample_index")


def _ordinal(row: tuple[Any, ...]) -> Any:
    return row[0]


def _size(value: Sized | None) -> int:
    return 0 if value is None else len(value)
