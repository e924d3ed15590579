"""Stored prompts of any number -> tables of prompts, in one pass over the source and bounded memory.

A pass reads the files row by row into a scratch file, one row a prompt, some 150 bytes a prompt in memory; then the
parts are cut from it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

import polars as pl
import pyarrow as pa

from curate.errors import ConfigError
from curate.importing import arrow, generic, rows
from curate.importing.convert import BadValueError, converted
from curate.importing.files import READABLE, Source, find, take
from curate.importing.generic import Getter, from_cell, getter
from curate.importing.prompt_template import columns_of, reader
from curate.importing.prompts import Prompts
from curate.importing.record import Record, excerpt, listed
from curate.importing.rollout import Item, Rollout
from curate.importing.solutions import stated_answer
from curate.importing.spill import Spill
from curate.importing.tables import to_arrow
from curate.records import Reject


@dataclass
class Counts:
    """What the pass counts; ``n_stated`` answers are solutions whose last line states the final answer."""

    n_prompts: int = 0
    n_duplicates: int = 0
    n_answers: int = 0
    n_stated: int = 0
    n_references: int = 0
    n_chat: int = 0


@dataclass(frozen=True)
class StoredPrompts:
    """Files of prompts that were read: which columns, what was counted, and the parts, made one at a time.

    ``chosen`` holds the places of the prompts that are kept, ascending.
    """

    columns: dict[str, str]
    n_conflicting: int
    counts: Counts
    n_rejects: int
    first_rejects: list[Reject]
    rejects_path: Path
    scratch: Path
    chosen: Sequence[int]
    files: list[str] = field(default_factory=list)

    @property
    def are_solutions(self) -> bool:
        """Say whether every answer is a solution that states its answer: the answer is then what it states."""
        return 0 < self.counts.n_answers == self.counts.n_stated

    def parts(self, prompts_per_part: int, schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
        """Make the parts in order, in the order of the files: (name, prompts)."""
        spilled = pl.scan_parquet(self.scratch / "prompts.parquet", glob=False)
        for number, low in enumerate(range(0, len(self.chosen), prompts_per_part)):
            places = self.chosen[low : low + prompts_per_part]
            near = spilled.filter(pl.col("ordinal").is_between(places[0], places[-1]))
            frame = near.filter(pl.col("ordinal").is_in(pl.Series(places, dtype=pl.Int64).implode())).sort("ordinal")
            yield f"part-{number:05d}.parquet", to_arrow(self._answered(frame.collect()), schema)

    def _answered(self, frame: pl.DataFrame) -> pl.DataFrame:
        reference, answer = self.columns.get("reference"), self.columns.get("answer")
        if not self.are_solutions:
            return frame
        known = pl.col("answer") if reference in (None, answer) else pl.coalesce("reference", "answer")
        stated = [None if text is None else stated_answer(text) for text in frame["answer"]]
        return frame.with_columns(reference=known, answer=pl.Series(stated, dtype=pl.String))


def find_prompts(path: Path, split: str | None) -> tuple[list[Source], str | None]:
    """List the files of prompts under a path, and which split of a folder of `datasets` they are.

    Raises ConfigError for a path that is missing or holds none, and for a split where there are no splits.
    """
    if path.is_dir() and arrow.is_saved(path):
        return arrow.saved_files(path, split)
    if split is not None:
        raise ConfigError(f"--split {split}: {path} is no folder of a saved DatasetDict, so it has no splits")
    sources = find([path])
    taken = [s for s in take(sources, generic.FILES) if s.path.suffix.lower() in (*READABLE, arrow.SUFFIX)]
    if not taken:
        files = f"its files are {listed((s.name for s in sources), 5)}" if path.is_dir() else "it is none of these"
        raise ConfigError(f"{path}: prompts are read from .jsonl, .parquet, .csv and folders of save_to_disk; {files}")
    return taken, None


def load_prompts(
    sources: Sequence[Source], columns: Mapping[str, str], scratch: Path, source: str, n: int | None, seed: int
) -> StoredPrompts:
    """Read files of prompts: the pass now, the parts when they are asked for.

    ``source`` names them. A prompt that comes again is kept once. With ``n`` that many are chosen without replacement,
    by the hash of seed and prompt_id: the same from any order of the files, and those of m < n are among those of n.
    Raises ConfigError for a broken file, no prompts at all, or fewer than ``n``.
    """
    counts, choice = Counts(), _Choice(n, seed)
    with Spill(scratch) as spill:
        prompts = Prompts(source, spill.add_prompt)
        for item in _items(sources, columns):
            if isinstance(item, Rollout):
                _take(item, prompts, spill, counts, choice)
            elif isinstance(item, Reject):
                spill.reject(item)
        spill.close_tables()
    if not counts.n_prompts and not spill.n_rejects:
        raise ConfigError(f"{sources[0].path} has no rows")
    if n is not None and n > counts.n_prompts:
        raise ConfigError(f"--n {n}: the source has only {counts.n_prompts:,} prompts; ask for fewer")
    return StoredPrompts(
        columns=dict(columns),
        n_conflicting=prompts.n_conflicting,
        counts=counts,
        n_rejects=spill.n_rejects,
        first_rejects=spill.first_rejects,
        rejects_path=spill.rejects_path,
        scratch=scratch,
        chosen=range(counts.n_prompts) if n is None else choice.places(),
        files=[s.name for s in sources],
    )


class _Choice:
    """The n lowest hashes of seed and prompt_id, with the prompts' places."""

    def __init__(self, n: int | None, seed: int) -> None:
        self._n, self._seed = n or 0, seed
        self._lowest: list[tuple[int, int]] = []

    def offer(self, prompt_id: str, place: int) -> None:
        if not self._n:
            return
        digest = blake2b(f"{self._seed}|{prompt_id}".encode(), digest_size=8, person=b"choose").digest()
        entry = (-int.from_bytes(digest, "big"), place)
        if len(self._lowest) < self._n:
            heapq.heappush(self._lowest, entry)
        else:
            heapq.heappushpop(self._lowest, entry)

    def places(self) -> list[int]:
        return sorted(place for _, place in self._lowest)


def _items(sources: Sequence[Source], columns: Mapping[str, str]) -> Iterator[Item]:
    read = {name: reader(column) if name == "prompt" else getter(column) for name, column in columns.items()}
    needed = [*columns_of(columns["prompt"]), *(column for name, column in columns.items() if name != "prompt")]
    for source in sources:
        yield from rows.each(source, partial(_prompt, source, read), list(dict.fromkeys(needed)))


def _prompt(source: Source, read: Mapping[str, Getter], record: Record) -> Iterator[Item]:
    """Make a prompt of a row; raises BadValueError with the reason where it cannot be one."""
    raw = {name: get(record.values) for name, get in read.items()}
    if source.path.suffix.lower() == ".csv":
        raw = {name: from_cell(name, value) for name, value in raw.items()}
    fields = converted(raw)
    if not fields.get("prompt", "").strip():
        raise BadValueError("has no prompt")
    if isinstance(raw["prompt"], list):
        if raw["prompt"][-1]["role"] == "assistant":
            raise BadValueError("prompt ends with a message of the assistant: a prompt ends before the answer")
        fields["prompt_format"] = "chat"
    yield Rollout(source.name, record.row, **fields)


def _take(row: Rollout, prompts: Prompts, spill: Spill, counts: Counts, choice: _Choice) -> None:
    number = prompts.identify(row)
    if isinstance(number, str):
        spill.reject(Reject(row.file, row.row, number, excerpt((row.prompt or "").encode())))
        return
    prompts.keep(number, row, number)
    if number < counts.n_prompts:
        counts.n_duplicates += 1
        return
    counts.n_prompts += 1
    choice.offer(prompts.name(number), number)
    counts.n_answers += row.answer is not None
    counts.n_stated += row.answer is not None and stated_answer(row.answer) is not None
    counts.n_references += row.reference is not None
    counts.n_chat += row.prompt_format == "chat"
