"""Job records: what made a variant, so that a re-run with other parameters is refused with the difference shown.

One JSON file a table or variant in ``DIR/.curate/jobs``. Versions are recorded, not compared.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from curate.dataset import Dataset, TableRef, parse_ref
from curate.errors import ConfigError
from curate.parts import sync_folder

PACKAGES = ("curate", "polars", "pyarrow", "duckdb", "torch", "transformers")


@dataclass(frozen=True)
class JobRecord:
    """Who made a variant and from what.

    ``inputs`` are read part by part, ``lookups`` as whole tables; ``command`` runs it again.
    """

    verb: str
    ref: str
    parameters: dict[str, Any]
    inputs: list[str]
    lookups: list[str]
    command: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """16 hex digits of BLAKE2b over verb, parameters and inputs, not over versions."""
        identity = [self.verb, self.ref, self.parameters, self.inputs, self.lookups]
        return hashlib.blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


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


def reconcile(dataset: Dataset, record: JobRecord, *, overwrite: bool) -> None:
    """Store ``record`` for its variant, or refuse when the variant was made with other parameters.

    A run that ended before its first part or journal binds nobody. With ``overwrite`` the old variant is renamed away
    first. Raises ConfigError that shows every difference.
    """
    ref = parse_ref(record.ref)
    old = read_record(dataset, ref) if dataset.parts(ref) or _has_journal(dataset, ref) else None
    if overwrite:
        set_aside(dataset, ref)
    elif old is not None and old.hash != record.hash:
        raise ConfigError(
            f"{dataset.root}/{ref} was made with other parameters:\n"
            + "\n".join(f"  {line}" for line in differences(old, record))
            + _ways_out(ref)
        )
    elif old is not None:
        return
    elif dataset.parts(ref):
        raise ConfigError(
            f"{dataset.root}/{ref} has parts but no job record, so nobody can tell how they were made." + _ways_out(ref)
        )
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


def set_aside(dataset: Dataset, ref: TableRef) -> Path | None:
    """Rename a variant's folder, record and journals into ``.curate/replaced``; return where, or null if nothing was there."""
    folder, record = dataset.folder(ref), record_path(dataset, ref)
    shutil.rmtree(dataset.private / "journal" / str(ref), ignore_errors=True)
    if not folder.exists() and not record.exists():
        return None
    replaced = dataset.private / "replaced"
    replaced.mkdir(parents=True, exist_ok=True)
    number = 1 + sum(1 for _ in replaced.iterdir())
    target = replaced / f"{number:04d}-{str(ref).replace('/', '.')}"
    target.mkdir()
    if folder.exists():
        folder.rename(target / "parts")
    if record.exists():
        record.rename(target / "job.json")
    sync_folder(replaced)
    return target
