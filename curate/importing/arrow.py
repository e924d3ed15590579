"""Arrow stream files batch by batch, and the folders of them that Hugging Face `datasets` saves.

``save_to_disk`` writes one folder a split: ``state.json`` lists its ``.arrow`` files in order, ``dataset_info.json``
describes them; a DatasetDict is a folder of such folders with ``dataset_dict.json`` (huggingface/datasets 5.2,
arrow_dataset.py and dataset_dict.py). Read with pyarrow alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curate.errors import ConfigError, did_you_mean
from curate.importing.files import Source
from curate.importing.parquet import field_paths, rows_of
from curate.importing.record import Record, listed
from curate.records import Reject

SUFFIX = ".arrow"
STATE, SPLITS = "state.json", "dataset_dict.json"


def records(source: Source, columns: Sequence[str] | None = None) -> Iterator[Record | Reject]:
    """Stream the rows of an Arrow stream file; ``columns`` (dotted paths too) limits what is read of it.

    A row whose text is not UTF-8 is a reject; ConfigError for a file that is broken or no Arrow stream.
    """
    row = 0
    try:
        with pa.memory_map(str(source.path)) as file, pa.ipc.open_stream(file) as stream:
            wanted = None if columns is None else {name.split(".")[0] for name in columns}
            held = [name for name in stream.schema.names if wanted is None or name in wanted]
            for batch in stream:
                for values in rows_of(batch.select(held)):
                    row += 1
                    yield Reject(source.name, row, "not UTF-8") if values is None else Record(row, values)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{source.path} is broken after row {row}, or no Arrow stream: {error}") from None


def paths(path: Path) -> list[str]:
    """List the columns of an Arrow stream file, those inside structs by dotted path."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return [name for field in stream.schema for name in field_paths(field)]
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path} is not a whole Arrow stream: {error}") from None


def is_saved(folder: Path) -> bool:
    """Say whether `datasets` saved this folder: one split or several."""
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def saved_files(folder: Path, split: str | None) -> tuple[list[Source], str | None]:
    """List the files of a saved folder in their order, and the split that was read (null where it has none).

    Raises ConfigError where a DatasetDict has several splits and none was named, the split is unknown, or the folder
    lists a file that is not in it.
    """
    if not (folder / SPLITS).is_file():
        if split is not None:
            raise ConfigError(f"{folder} is one split, saved without a name: leave --split away")
        return _listed_files(folder, folder), None
    names = _json(folder / SPLITS, "splits")
    if split is None and len(names) == 1:
        split = str(names[0])
    if split is None:
        raise ConfigError(f"{folder} has several splits ({listed(names)}): choose one with --split NAME")
    if split not in names:
        raise ConfigError(f"{folder} has no split {split!r}{did_you_mean(split, names)}; it has {listed(names)}")
    return _listed_files(_inside(folder, split), folder), split


def _listed_files(place: Path, folder: Path) -> list[Source]:
    names = [
        entry.get("filename") if isinstance(entry, dict) else None for entry in _json(place / STATE, "_data_files")
    ]
    found = [_inside(place, name) for name in names]
    return [Source(path, path.relative_to(folder).as_posix(), True) for path in found]


def _inside(folder: Path, name: object) -> Path:
    """Return a file of the folder: what a stranger's JSON names must not lead out of it."""
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name or not (folder / name).exists():
        raise ConfigError(f"{folder} names {str(name)[:100]!r}, which is not in it: save the dataset again")
    return folder / name


def _json(path: Path, key: str) -> list[Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}: save the dataset again") from None
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise ConfigError(f"{path} has no list {key}: only folders of `save_to_disk` can be read")
    return found
