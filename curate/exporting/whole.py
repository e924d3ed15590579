"""One exported file: whole or not at all, written by one process at a time, and not twice from the same parts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.jobrecord import write_durably
from curate.parts import Footer, read_footer, sync_folder
from curate.states import ContentIds


def write_whole(
    data: Dataset,
    refs: list[TableRef],
    out: Path,
    format_: str,
    write: Callable[[BinaryIO, dict[str, str]], Footer],
    *,
    overwrite: bool,
    manifest: Callable[[Footer], bytes] | None = None,
) -> Footer | None:
    """Write ``out`` by ``write(file, inputs)``, durably, and return the footer it wrote; null where nothing was to do.

    ``inputs`` are the content ids of ``refs`` and the prompts, and the footer holds them, with ``about["format"]``. A
    file whose footer says that it was made so already, and whose manifest is the one of that footer, is left alone.
    ``manifest`` gives what is written beside the file: before it appears, so that no file is there without one. Raises
    ConfigError where ``out`` holds something else or lies in a table, or where another process is writing it.
    """
    _refuse_place(data, out)
    ids = ContentIds(data)
    inputs = {str(ref): ids.of_head(ref) for ref in [*refs, TableRef("prompts")]}
    if out.exists() and not overwrite:
        footer = read_footer(out)
        _refuse_other(footer, inputs, format_, out)
        if manifest is None or _holds(manifest_path(out), manifest(footer)):
            return None
    unfinished = out.with_name(f".{out.name}.unfinished")
    with unfinished.open("ab") as raw:
        _lock(raw, unfinished, out)
        try:
            footer = write(raw, inputs)
            raw.flush()
            os.fsync(raw.fileno())
            if manifest is not None:
                write_durably(manifest_path(out), manifest(footer))
            unfinished.rename(out)
            sync_folder(out.parent)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    return footer


def manifest_path(out: Path) -> Path:
    """Return where the manifest of an exported file lies: beside it."""
    return out.with_name(f"{out.name}.manifest.json")


def nothing_to_do(out: Path) -> str:
    return f"{out}: nothing to do, it was made from these very parts"


def _refuse_place(data: Dataset, out: Path) -> None:
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder: make it, or give another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder: give the path of a file as --out")
    if data.holds(out):
        raise ConfigError(
            f"{out} lies in a table of the dataset, which holds its finished parts alone: give another --out"
        )


def _refuse_other(footer: Footer, inputs: dict[str, str], format_: str, out: Path) -> None:
    """Raise ConfigError unless a file's footer says that it holds what would be written."""
    if footer.inputs != inputs:
        raise ConfigError(
            f"{out} exists and was made from other parts: give another --out, or replace it with --overwrite"
        )
    if footer.about.get("format") != format_:
        raise ConfigError(
            f"{out} exists and is no {format_} export: give another --out, or replace it with --overwrite"
        )


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _lock(raw: BinaryIO, unfinished: Path, out: Path) -> None:
    """Hold the unfinished file against another export to the same path, and empty it of what a killed one left."""
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = unfinished.exists() and unfinished.stat().st_ino == os.fstat(raw.fileno()).st_ino
    except BlockingIOError:
        is_ours = False
    if not is_ours:  # locked, or renamed by its writer since we opened it
        raise ConfigError(f"another process is writing {out}: wait for it to end, or give another --out")
    raw.truncate(0)
