"""Job records: what made a variant, so that a re-run with other parameters is refused with the difference shown.

One JSON file a table or variant in ``DIR/.curate/jobs``. Versions are recorded, not compared.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from curate.dataset import Dataset, TableRef, parse_ref
from curate.errors import ConfigError
from curate.parts import sync_folder

DATASET = "@DATASET@"
PACKAGES = ("curate", "polars", "pyarrow", "duckdb", "torch", "transformers")


@dataclass(frozen=True)
class JobRecord:
    """Who made a variant and from what.

    ``inputs`` are read part by part, ``lookups`` as whole tables. ``command`` runs it again, with ``DATASET`` where the
    folder of the dataset goes, which may be moved or copied. ``versions`` and ``about`` are recorded, not compared.
    """

    verb: str
    ref: str
    parameters: dict[str, Any]
    inputs: list[str]
    lookups: list[str]
    command: str
    versions: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def command_for(self, dataset: Dataset) -> str:
        """Return the command line, for the dataset where it lies now."""
        return self.command.replace(DATASET, shlex.quote(str(dataset.root)))

    @property
    def hash(self) -> str:
        """16 hex digits of BLAKE2b over verb, parameters and inputs, not over versions and ``about``."""
        identity = [self.verb, self.ref, self.parameters, self.inputs, self.lookups]
        return hashlib.blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


@functools.cache
def versions() -> dict[str, str]:
    """Return the installed versions of the packages that shape the rows."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record_path(dataset: Dataset, ref: TableRef) -> Path:
    return dataset.private / "jobs" / f"{str(ref).replace('/', '.')}.json"


def read_record(dataset: Dataset, ref: TableRef) -> JobRecord | None:
    """Return the job record of a variant, or null where it was not made here."""
    path = record_path(dataset, ref)
    return JobRecord(**orjson.loads(path.read_bytes())) if path.exists() else None


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all; the caller holds the lock of what it belongs to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        sync_folder(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def refuse_other_parameters(dataset: Dataset, record: JobRecord) -> None:
    """Raise ConfigError, with every difference, where the variant was made with other parameters; write nothing.

    A run that ended before its first part or journal binds nobody.
    """
    ref = parse_ref(record.ref)
    if not dataset.parts(ref) and not _has_journal(dataset, ref):
        return
    old = read_record(dataset, ref)
    if old is None:
        raise ConfigError(
            f"{dataset.root}/{ref} has parts but no job record, so nobody can tell how they were made." + _ways_out(ref)
        )
    if old.hash != record.hash:
        raise ConfigError(
            f"{dataset.root}/{ref} was made with other parameters:\n"
            + "\n".join(f"  {line}" for line in differences(old, record))
            + _ways_out(ref)
        )


def store(dataset: Dataset, record: JobRecord, *, overwrite: bool) -> None:
    """Store the record of a variant; with ``overwrite`` what is there is renamed away first."""
    ref = parse_ref(record.ref)
    if overwrite:
        set_aside(dataset, ref)
    old = read_record(dataset, ref)
    if old is None or old.hash != record.hash or old.command != record.command:
        content = orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        write_durably(record_path(dataset, ref), content)


def _has_journal(dataset: Dataset, ref: TableRef) -> bool:
    return any((dataset.private / "journal" / str(ref)).glob("*.arrows"))


def _ways_out(ref: TableRef) -> str:
    new_name = " give the new one a name of its own with --as NAME, or" if ref.variant else ""
    return f"\nTo go on,{new_name} replace the old one with --overwrite (it is kept in .curate/replaced)."


def differences(old: JobRecord, new: JobRecord) -> list[str]:
    """Return one sentence a parameter that differs."""
    before = _flat({"verb": old.verb, "inputs": old.inputs, "lookups": old.lookups, **old.parameters})
    after = _flat({"verb": new.verb, "inputs": new.inputs, "lookups": new.lookups, **new.parameters})
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return [f"{n}: {_shown(before.get(n))} then, {_shown(after.get(n))} now" for n in names]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _shown(value: object) -> str:
    return "not set" if value is None else orjson.dumps(value).decode()


def set_aside(dataset: Dataset, ref: TableRef) -> None:
    """Rename a variant's parts, record and journals into ``.curate/replaced``."""
    found = {
        "parts": dataset.folder(ref),
        "job.json": record_path(dataset, ref),
        "journal": dataset.private / "journal" / str(ref),
    }
    if not any(path.exists() for path in found.values()):
        return
    replaced = dataset.private / "replaced"
    replaced.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.name[:4]) for path in replaced.iterdir() if path.name[:4].isdecimal()]
    target = replaced / f"{max(numbers, default=0) + 1:04d}-{str(ref).replace('/', '.')}"
    target.mkdir()
    for name, path in found.items():
        if path.exists():
            path.rename(target / name)
    sync_folder(replaced)
