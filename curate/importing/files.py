"""Which files an import reads: found under the given paths, in the order a person counts, pickles refused."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from curate.errors import ConfigError
from curate.ids import edges_hash

JSONL = (".jsonl", ".ndjson", ".json")
READABLE = (*JSONL, ".parquet", ".csv")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".dp")
MARK_OF_A_DATASET = ".curate"


class Source(NamedTuple):
    """One file to read: where it is, its name inside the import, and whether the user named it himself."""

    path: Path
    name: str
    is_named: bool


def find(paths: Sequence[Path]) -> list[Source]:
    """List the files of the given files and folders (searched in depth), numbers in names in counting order.

    Hidden files are left out, and datasets inside the folders: they may hold what was made of the source. Names are relative to the folder the paths share, so that two files of one name stay apart. ConfigError for a
    missing path, one given twice, or a pickle.
    """
    chosen: list[tuple[Path, bool]] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path} does not exist")
        if path.is_dir():
            chosen += [(file, False) for file in _search(path)]
        elif path.suffix.lower() in PICKLES:
            raise ConfigError(f"{path} is a pickle, and loading one runs the code in it: write it as JSONL or Parquet")
        else:
            chosen.append((path, True))
    twice = [path for path, n in Counter(path.resolve() for path, _ in chosen).items() if n > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is given twice: its samples would be counted twice")
    root = _shared_folder(paths)
    sources = [Source(path, path.absolute().relative_to(root).as_posix(), is_named) for path, is_named in chosen]
    return sorted(sources, key=lambda source: _counting_order(source.name))


def take(sources: Sequence[Source], pattern: re.Pattern[str]) -> list[Source]:
    """Keep the sources of one format: those the user named himself, and those in folders whose name matches."""
    return [s for s in sources if s.is_named or pattern.search(s.path.name)]


def numbers_report(numbers: Iterable[int], what: str) -> str:
    """Say which of a run of numbered files are there: range, stride and gaps, such as ``steps 1 to 5: 4 files``.

    The stride is the most frequent distance of neighbours; a single number has none.
    """
    present = sorted(set(numbers))
    if len(present) < 2:
        return f"{what} {present[0]} only" if present else f"no {what}"
    stride = Counter(b - a for a, b in pairwise(present)).most_common(1)[0][0]
    n_expected = (present[-1] - present[0]) // stride + 1
    missing = n_expected - len(present)
    every = f", every {stride}" if stride > 1 else ""
    first = next((a + stride for a, b in pairwise(present) if b - a > stride), None)
    gaps = f"; {missing} missing, the first is {first}" if missing > 0 else ""
    return f"{what} {present[0]} to {present[-1]}{every}: {len(present)} files{gaps}"


def fingerprint(sources: Sequence[Source]) -> dict[str, str]:
    """Describe the files of an import, name -> ``size hash``, so that a re-run can tell which of them changed."""
    return {source.name: edges_hash(source.path) for source in sources}


def _search(folder: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(folder):
        is_dataset = MARK_OF_A_DATASET in inner
        inner[:] = [] if is_dataset else [name for name in inner if not name.startswith(".")]
        if is_dataset and Path(place) != folder:
            continue
        files = (Path(place, name) for name in names if not name.startswith("."))
        yield from (file for file in files if file.is_file())


def _shared_folder(paths: Sequence[Path]) -> Path:
    folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in paths]
    return Path(os.path.commonpath(folders))


def _counting_order(name: str) -> list[tuple[int, str]]:
    # 2.jsonl before 10.jsonl; a run of digits counts by length first, so nothing is converted to a number.
    parts = re.split(r"(\d+)", name)
    return [
        (len(part.lstrip("0")) if i % 2 else 0, part.lstrip("0") if i % 2 else part) for i, part in enumerate(parts)
    ]
