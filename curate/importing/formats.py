"""The formats that import knows, and which of them a source is in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from curate.errors import ConfigError
from curate.importing import generic, gsm8k_solutions, open_instruct, rows, tree, trl, verl
from curate.importing.files import READABLE, Source, find, take
from curate.importing.record import listed
from curate.importing.rollout import Item, Options


class Format(Protocol):
    """A module that reads one format: its name, which files of a folder it takes, and two functions."""

    @property
    def NAME(self) -> str: ...  # noqa: N802  (module constants)
    @property
    def FILES(self) -> re.Pattern[str]: ...  # noqa: N802

    def detect(self, path: Path) -> str | None:
        """Say why a file looks like this format, or None."""

    def read(self, sources: Sequence[Source], options: Options) -> Iterator[Item]:
        """Stream the samples, rejects and notes of the sources."""


_SPECIFIC: tuple[Format, ...] = (gsm8k_solutions, verl, trl, open_instruct, tree)
FORMATS: dict[str, Format] = {module.NAME: module for module in (*_SPECIFIC, generic)}


def detect_format(paths: Sequence[Path], options: Options | None = None) -> tuple[str, str]:
    """Say which format the paths are in and what shows it: (name, evidence).

    Looks at the first file that each format would take. A format of fixed columns goes before generic, which is the
    answer where the columns have our names or ``--map`` names them. ConfigError where none or several match.
    """
    sources = find(paths)
    found = {module.NAME: evidence for module in _SPECIFIC if (evidence := _evidence(module, sources))}
    if len(found) > 1:
        raise ConfigError(
            f"{_shown(paths)} could be {' or '.join(found)} ({'; '.join(found.values())}): say which with --format NAME"
        )
    if found:
        return next(iter(found.items()))
    if evidence := _evidence(generic, sources):
        return generic.NAME, evidence
    if options and options.columns:
        return generic.NAME, f"--map names the columns {', '.join(filter(None, options.columns.values()))}"
    raise ConfigError(_unknown(paths, sources))


def choose(paths: Sequence[Path], name: str | None, options: Options) -> tuple[Format, str, list[Source], list[str]]:
    """Settle format, evidence, the files to read and the names of those in the folders that are left out."""
    if name is not None and name not in FORMATS:
        raise ConfigError(f"--format {name}: the formats are {', '.join(FORMATS)}")
    chosen, evidence = (name, "named by the user") if name else detect_format(paths, options)
    sources = find(paths)
    taken = take(sources, FORMATS[chosen].FILES)
    if not taken:
        raise ConfigError(f"{_shown(paths)} holds no file that format {chosen} takes; {_listing(sources)}")
    names = {source.name for source in taken}
    return FORMATS[chosen], evidence, taken, [source.name for source in sources if source.name not in names]


def _evidence(module: Format, sources: Sequence[Source]) -> str | None:
    taken = [s for s in take(sources, module.FILES) if s.path.suffix.lower() in READABLE]
    return module.detect(taken[0].path) if taken else None


def _unknown(paths: Sequence[Path], sources: Sequence[Source]) -> str:
    readable = [source for source in sources if source.path.suffix.lower() in READABLE]
    if not readable:
        return f"{_shown(paths)}: nothing to import, {_listing(sources)}; import reads {', '.join(READABLE)}"
    fields = rows.peek(readable[0].path)
    if not fields:
        return f"{readable[0].path} has no rows that could be read"
    return (
        f"cannot tell the format of {readable[0].path}: its fields are {listed(fields)}. Name the format "
        f"(--format {', '.join(FORMATS)}), or map the columns: --map prompt=COL --map completion=COL"
    )


def _listing(sources: Sequence[Source]) -> str:
    return f"its files are {listed((s.name for s in sources), 5)}" if sources else "it holds no files"


def _shown(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
