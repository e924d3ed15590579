"""Where a run works: a folder beside OUT, so that OUT is a whole checkpoint or is not there.

OUT                     appears by a rename when training has ended
.OUT.unfinished/        job.json, checkpoints/checkpoint-N, start/ (old.npy, ...), train_log.jsonl, lock
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from curate.errors import ConfigError
from curate.jobrecord import JobRecord, differences, write_durably
from curate.parts import sync_folder

MANIFEST = "manifest.json"


class Workplace:
    """The folder of one run that is going to be ``out``."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.parent / f".{out.name}.unfinished"
        self.start = self.folder / "start"

    def refuse_place(self, tables: list[Path], read: list[Path]) -> None:
        """Raise ConfigError where ``out`` lies in one of the tables, holds a folder that is read, or is no folder of ours."""
        place = self.out.resolve()
        for folder in read:
            if folder.resolve().is_relative_to(place):
                raise ConfigError(f"{self.out} holds {folder}, which training reads: give another --out")
        if any(place.is_relative_to(folder.resolve()) for folder in tables):
            raise ConfigError(f"{self.out} lies in a table of the dataset: give another --out")
        is_ours = self.finished() is not None or (self.out.is_dir() and not any(self.out.iterdir()))
        if self.out.exists() and not is_ours:
            raise ConfigError(f"{self.out} exists and was not written by `curate train`: give another --out")

    def finished(self) -> dict[str, Any] | None:
        """Return the manifest of ``out``, or null where nothing is finished there."""
        path = self.out / MANIFEST
        if not path.is_file():
            return None
        try:
            manifest: dict[str, Any] = json.loads(path.read_bytes())
            if JobRecord(**manifest["job"]).verb != "train":
                raise ValueError
        except (ValueError, TypeError, KeyError):
            raise ConfigError(f"{path} is no manifest of `curate train`: give another --out") from None
        return manifest

    def refuse_other(self, record: JobRecord) -> None:
        """Raise ConfigError, with every difference, where ``out`` or a run on its way to it had other arguments."""
        manifest = self.finished()
        if manifest:
            self._refuse(JobRecord(**manifest["job"]), record, f"{self.out} was trained")
        elif self.checkpoint() and (started := self._started()):
            self._refuse(started, record, f"training on the way to {self.out} was started")

    def _refuse(self, before: JobRecord, now: JobRecord, what: str) -> None:
        if before.hash != now.hash:
            lines = "\n".join(f"  {line}" for line in differences(before, now))
            raise ConfigError(
                f"{what} with other arguments:\n{lines}\nTo go on, give another --out, or replace it with --overwrite."
            )

    def _started(self) -> JobRecord | None:
        path = self.folder / "job.json"
        return JobRecord(**json.loads(path.read_bytes())) if path.is_file() else None

    def checkpoint(self) -> Path | None:
        """Return the last checkpoint; each is whole, as it was renamed into place."""
        found = list((self.folder / "checkpoints").glob("checkpoint-*"))
        return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against another run to the same ``out``; raises ConfigError where one holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"another process is training {self.out}: wait, or give another --out") from None
            yield

    def open(self, record: JobRecord, *, overwrite: bool) -> None:
        """Make the folder ready: what a run of the same arguments left is kept, all else goes."""
        started = self._started()
        if overwrite or started is None or started.hash != record.hash:
            for path in self.folder.iterdir():
                if path.name != "lock":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            write_durably(self.folder / "job.json", json.dumps(asdict(record), indent=2).encode())
        shutil.rmtree(self.folder / "unfinished", ignore_errors=True)
        shutil.rmtree(self.folder / "result", ignore_errors=True)
        self.start.mkdir(exist_ok=True)

    def discard(self) -> None:
        """Remove the folder of a run that was refused before its first checkpoint."""
        shutil.rmtree(self.folder)

    def finish(self, result: Path) -> None:
        """Make ``result``, whole and durable, ``out``; what was ``out`` goes, and the rest of this folder too."""
        for path in result.rglob("*"):
            if path.is_file():
                sync_file(path)
        sync_folder(result)
        replaced = self.folder / "replaced"
        shutil.rmtree(replaced, ignore_errors=True)
        if self.out.exists():
            self.out.rename(replaced)
        result.rename(self.out)
        sync_folder(self.out.parent)
        shutil.rmtree(self.folder)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
