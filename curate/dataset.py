"""A dataset: one folder of tables, where each table or variant is a folder of finished parts.

    DIR/samples/part-00000.parquet
    DIR/verdicts/verifier=gsm8k/part-00000.parquet
    DIR/.curate/            job records, journals, temporary files, rejects, replaced variants

A part keeps its name from ``samples`` through every table below it, so stages work part by part.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import ConfigError

if TYPE_CHECKING:
    import duckdb
    import polars as pl

VARIANT_KEYS = {
    "verdicts": "verifier",
    "likelihoods": "scorer",
    "feedback": "judge",
    "branches": "by",
    "advantages": "recipe",
    "pairs": "recipe",
}
DATASET_TABLES = ("prompts", "samples", *VARIANT_KEYS)
MADE_BY = {
    "prompts": "curate prompts PATH --to {dir} (or curate import PATH --to {dir})",
    "samples": "curate sample {dir} --server URL --model M (or --local PATH, or curate import PATH --to {dir})",
    "verdicts": "curate verify {dir} --verifier NAME",
    "likelihoods": "curate logprob {dir} --from-sampler (or --model PATH)",
    "feedback": "curate judge {dir} --rule NAME (or --server URL --model M)",
    "branches": "curate branch {dir} --local PATH (or --server URL --model M --tokenizer PATH)",
    "advantages": "curate reweight {dir} --recipe NAME",
    "pairs": "curate pairs {dir} --recipe NAME",
}
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True, order=True)
class TableRef:
    """A table, or one variant of it; ``str()`` gives its folder inside the dataset."""

    table: str
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.table}/{VARIANT_KEYS[self.table]}={self.variant}" if self.variant else self.table


def variant_name(name: str) -> str:
    """Return ``name`` if it may name a variant, else raise ConfigError."""
    if not NAME_PATTERN.fullmatch(name) or len(name) > 100:
        raise ConfigError(
            f"{name!r} cannot name a variant: use lower-case letters, digits, '_', '.' and '-', starting with a letter"
        )
    return name


def parse_ref(text: str) -> TableRef:
    """Return the TableRef whose ``str()`` is ``text``."""
    table, _, folder = text.partition("/")
    return TableRef(table, folder.partition("=")[2] or None)


class Dataset:
    """A dataset folder, open for reading; stages write to it.

    ``Dataset("runs/demo")`` raises ConfigError when the folder does not exist or holds no table.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self.root = Path(path)
        if create:
            return
        if not self.root.is_dir():
            raise ConfigError(
                f"{self.root} is not a folder: give the folder of a dataset, or make one with `curate import` or `curate prompts`"
            )
        if not any((self.root / table).is_dir() for table in DATASET_TABLES):
            raise ConfigError(
                f"{self.root} holds no table ({', '.join(DATASET_TABLES)}): make one with `{MADE_BY['prompts'].format(dir=shlex.quote(str(self.root)))}`"
            )

    def __repr__(self) -> str:
        return f"Dataset({str(self.root)!r})"

    @cached_property
    def private(self) -> Path:
        """The folder of everything that is not a finished part."""
        return self.root / ".curate"

    def holds(self, path: Path) -> bool:
        """Say whether ``path`` lies in a table or in the private folder, where only finished parts and job files belong."""
        taken = [self.private, *(self.root / table for table in DATASET_TABLES)]
        place = path.resolve()
        return any(place.is_relative_to(folder.resolve()) for folder in taken)

    def folder(self, ref: TableRef) -> Path:
        return self.root / str(ref)

    def part(self, ref: TableRef, name: str) -> Path:
        return self.folder(ref) / name

    def parts(self, ref: TableRef) -> list[str]:
        """Return the names of the finished parts, sorted."""
        folder = self.folder(ref)
        return sorted(p.name for p in folder.glob("*.parquet")) if folder.is_dir() else []

    def variants(self, table: str) -> list[str]:
        """Return the variants of ``table`` that have a folder, sorted."""
        prefix = f"{VARIANT_KEYS[table]}="
        folder = self.root / table
        if not folder.is_dir():
            return []
        return sorted(p.name.removeprefix(prefix) for p in folder.iterdir() if p.is_dir() and p.name.startswith(prefix))

    def refs(self) -> list[TableRef]:
        """Return every table and variant that has a folder, in pipeline order."""
        found = [TableRef(t) for t in ("prompts", "samples") if self.folder(TableRef(t)).is_dir()]
        return found + [TableRef(t, v) for t in VARIANT_KEYS for v in self.variants(t)]

    def choose(self, table: str, variant: str | None = None) -> TableRef:
        """Return the variant named, or the only one there is.

        Raises ConfigError when the table is missing (with the command that makes it), the name is unknown, or several
        variants exist and none was named.
        """
        if table not in VARIANT_KEYS:
            return self._existing(TableRef(table))
        key, names = VARIANT_KEYS[table], self.variants(table)
        if not names:
            raise ConfigError(f"{self.root} has no {table}: run `{self.maker(table)}`")
        if variant is None and len(names) > 1:
            raise ConfigError(f"{self.root} has several {table} ({', '.join(names)}): choose one with --{key} NAME")
        if variant is not None and variant not in names:
            raise ConfigError(f"{self.root} has no {table} of {key} {variant!r}; it has {', '.join(names)}")
        return TableRef(table, variant or names[0])

    def _existing(self, ref: TableRef) -> TableRef:
        if not self.folder(ref).is_dir():
            raise ConfigError(f"{self.root} has no {ref}: run `{self.maker(ref.table)}`")
        return ref

    def maker(self, table: str) -> str:
        """Return the command that makes ``table``."""
        return MADE_BY.get(table, f"the command that makes {table}").format(dir=shlex.quote(str(self.root)))

    def scan(self, table: str, variant: str | None = None) -> pl.LazyFrame:
        """Return a lazy polars frame over the finished parts of a table (of its only variant where none is named).

        Raises ContractError for a part that is no whole Parquet file.
        """
        import polars as pl

        from curate.parts import read_footer

        ref = self.choose(table, variant)
        if not self.parts(ref):
            from curate.contracts import contract

            frame = pl.from_arrow(contract(table).schema.empty_table())
            assert isinstance(frame, pl.DataFrame)
            return frame.lazy()
        paths = [self.part(ref, name) for name in self.parts(ref)]
        for path in paths:  # of a broken one polars would say no more than that, and only when the frame is collected
            read_footer(path)
        return pl.scan_parquet(paths, hive_partitioning=False, glob=False)  # folder names may hold glob characters

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Run one DuckDB query with every table as a view (variants as a column of the view)."""
        from curate.query import connect

        return connect(self).sql(query)

    def status(self, refs: list[TableRef] | None = None) -> list[dict[str, Any]]:
        """Return one record a table or variant (all of them): parts done, pending, waiting, stale, and rows."""
        from curate.states import status

        return status(self, refs)
