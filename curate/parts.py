"""One part: a finished Parquet file with a footer that says what it is and what it was made from.

A part is written to a temporary file on the same file system, fsynced, renamed into place, and its folder fsynced: a
reader sees the whole part or none. Its content id is a hash of the bytes of its data pages, so that a part rewritten
with the same rows by the same versions keeps its id.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curate.contracts import Contract, conform
from curate.errors import ContractError

FOOTER_KEY = b"curate"
ROWS_PER_ROW_GROUP = 65_536


@dataclass(frozen=True)
class Footer:
    """What a part says of itself.

    ``inputs`` maps the name of each input part (``samples``, ``verdicts/verifier=gsm8k``, ...) to its content id when
    this part was made; ``about`` holds the stage's own facts (counts, recipe, diagnostics).
    """

    contract_hash: str
    job_hash: str
    inputs: dict[str, str]
    versions: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)
    content_id: str = ""

    def to_bytes(self) -> bytes:
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS)


class _HashingFile(RawIOBase):
    """Hash what is written on its way to a file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.digest = hashlib.blake2b(digest_size=8)

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        self.digest.update(chunk)
        return self._raw.write(chunk)

    def tell(self) -> int:
        return self._raw.tell()


def write_part(path: Path, rows: pa.Table, rules: Contract, footer: Footer, temporary: Path) -> str:
    """Check ``rows`` against the contract, write them durably to ``path`` and return the content id.

    ``temporary`` is a folder on the same file system. Raises ContractError before anything is written, OSError where
    the disk refuses; neither leaves a file behind.
    """
    rows = conform(rules, rows, f"{path.parent.name}/{path.name}")
    temporary.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary / f"{rules.table}-{path.parent.name}-{path.name}.{os.getpid()}"
    try:
        with unfinished.open("wb") as raw:
            content_id = _write_rows(_HashingFile(raw), rows, footer)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.rename(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    return content_id


def _write_rows(sink: _HashingFile, rows: pa.Table, footer: Footer) -> str:
    text = [f.name for f in rows.schema if pa.types.is_large_string(f.type)]
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", compression_level=1, use_dictionary=text) as writer:
        writer.write_table(rows, row_group_size=ROWS_PER_ROW_GROUP)
        content_id = sink.digest.hexdigest()
        stamped = Footer(**{**_fields(footer), "content_id": content_id})
        writer.add_key_value_metadata({FOOTER_KEY: stamped.to_bytes()})
    return content_id


def _fields(footer: Footer) -> dict[str, Any]:
    return {name: getattr(footer, name) for name in footer.__dataclass_fields__}


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_footer(path: Path) -> Footer:
    """Return a part's footer.

    A Parquet file that was not written here gets an empty contract hash (it is then checked on reading) and a content
    id from its size and time. Raises ContractError where the file is no whole Parquet file.
    """
    metadata = _metadata(path).metadata or {}
    if FOOTER_KEY in metadata:
        return Footer(**orjson.loads(metadata[FOOTER_KEY]))
    stat = path.stat()
    return Footer("", "", {}, {}, content_id=f"foreign-{stat.st_size:x}-{stat.st_mtime_ns:x}")


def n_rows(path: Path) -> int:
    """Return the number of rows of a part, from its Parquet footer."""
    return int(_metadata(path).num_rows)


def _metadata(path: Path) -> Any:
    try:
        return pq.read_metadata(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ContractError(unreadable(path, error)) from error


def read_part(path: Path, rules: Contract, columns: list[str] | None = None) -> pa.Table:
    """Read a part, checked against the contract unless its footer says it was checked against this very text."""
    is_checked = read_footer(path).contract_hash == rules.hash
    rows = read_table(path, columns if is_checked else None)
    if not is_checked:
        rows = conform(rules, rows, str(path))
    return rows.select(columns) if columns is not None else rows


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file as it is; raises ContractError where it is not whole."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ContractError(unreadable(path, error)) from error


def unreadable(path: Path, error: BaseException) -> str:
    """Return the sentence for a part that is no whole Parquet file."""
    return (
        f"{path} cannot be read as a whole Parquet file ({str(error).splitlines()[0]}): restore it, or delete it and run"
        " the command that made it again"
    )
