"""A journal: finished groups of a slow stage, kept in an Arrow IPC stream until their part is whole.

Each ``append`` is one record batch. A batch counts once an fsync has covered it, and one fsync may cover all batches
of the last 100 ms. On opening, a torn tail is cut after the last whole batch, so that a kill at any instant loses no
counted group and repeats none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa

SYNC_INTERVAL_S = 0.1


class Journal:
    """An append-only file of record batches of one schema.

    ``n_counted`` is the number of batches that are durable, ``batches()`` reads the file back.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema.remove_metadata()
        path.parent.mkdir(parents=True, exist_ok=True)
        length, self.n_counted = _whole_length(path, self.schema)
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._file.truncate(length)
        self._file.seek(length)
        if length == 0:
            self._write(self.schema.serialize())
        os.fsync(self._file.fileno())
        self._n_waiting = 0
        self._synced_at = time.monotonic()

    def append(self, batch: pa.RecordBatch) -> None:
        """Add one finished group; it counts after the next ``sync``, at most 100 ms of appends later."""
        self._write(self._message(batch))
        self._n_waiting += 1
        if time.monotonic() - self._synced_at >= SYNC_INTERVAL_S:
            self.sync()

    def extend(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add finished groups, which one fsync makes durable."""
        for batch in batches:
            self._write(self._message(batch))
            self._n_waiting += 1
        if self._n_waiting:
            self.sync()

    def _message(self, batch: pa.RecordBatch) -> pa.Buffer:
        # a cast costs more than everything else here, even where it has nothing to do
        return (batch if batch.schema.equals(self.schema) else batch.cast(self.schema)).serialize()

    def sync(self) -> None:
        """Make every appended batch durable."""
        os.fsync(self._file.fileno())
        self.n_counted += self._n_waiting
        self._n_waiting = 0
        self._synced_at = time.monotonic()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield every batch in the order it was appended; a batch's columns are read from disk when they are used."""
        with pa.memory_map(str(self.path)) as source, pa.ipc.open_stream(source) as stream:
            yield from stream

    def close(self) -> None:
        self.sync()
        self._file.close()

    def _write(self, buffer: pa.Buffer) -> None:
        view = memoryview(buffer)
        while view:
            view = view[self._file.write(view) :]

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _whole_length(path: Path, schema: pa.Schema) -> tuple[int, int]:
    """Return the length of the readable head of the file and the number of batches in it.

    A head that is no whole schema message, or another schema, counts as nothing.
    """
    if not path.exists():
        return 0, 0
    with path.open("rb") as source:
        try:
            message = pa.ipc.read_message(source)
            if message.type != "schema" or pa.ipc.read_schema(message) != schema:
                return 0, 0
        except (pa.ArrowInvalid, EOFError, OSError):
            return 0, 0
        length, n_batches = source.tell(), 0
        while True:
            try:
                pa.ipc.read_record_batch(pa.ipc.read_message(source), schema)
            except (pa.ArrowInvalid, EOFError, OSError):
                return length, n_batches
            length, n_batches = source.tell(), n_batches + 1
