"""Stored rollouts of any size and order -> parts of whole groups, in two passes and bounded memory.

Pass 1 reads the source once, row by row: groups get ordinals as they first appear, rows go to a scratch file. What
it keeps in memory is some 400 bytes a group. Pass 2 cuts the ordinals into parts and reads each part's rows back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curate.errors import ConfigError
from curate.importing.formats import choose
from curate.importing.group import Groups
from curate.importing.outcome import Judging, correct_expression
from curate.importing.prompts import Prompts
from curate.importing.record import MAX_EXCERPT
from curate.importing.report import Found, Report, Tally, make_report
from curate.importing.rollout import Item, Note, Options, Rollout
from curate.importing.spill import Spill
from curate.importing.tables import IS_FIRST, KEYS, make_part, read_rows
from curate.records import Reject

DUPLICATE = "duplicate sample: its group already has this sample_index"


@dataclass(frozen=True)
class Loaded:
    """A source that was read: its report, its rejects as JSONL, and its parts, made one at a time."""

    report: Report
    rejects_path: Path
    spill_dir: Path
    bounds: list[tuple[int, int]]
    ids: np.ndarray
    judging: Judging

    def parts(self, schemas: Mapping[str, pa.Schema]) -> Iterator[tuple[str, dict[str, pa.Table]]]:
        """Make the parts in order: (name, tables of these schemas). ``prompts`` holds those first met in the part.

        ``verdicts`` is there where the source has rewards or an accuracy, ``advantages`` where it has advantages,
        ``feedback`` where it has a search's scores: in every part or in none.
        """
        for number, (low, high) in enumerate(self.bounds):
            rows = read_rows(self.spill_dir / "rows.parquet", low, high)
            in_part = pl.col("ordinal").is_between(low, high - 1)
            prompts = pl.scan_parquet(self.spill_dir / "prompts.parquet", glob=False).filter(in_part).collect()
            tables = make_part(rows, prompts, self.ids[low:high], low, self.judging, schemas)
            yield f"part-{number:05d}.parquet", tables


def load(
    paths: Sequence[Path],
    format: str | None,
    options: Options,
    spill_dir: Path,
    rows_per_part: int,
    source: str,
) -> Loaded:
    """Read stored rollouts: pass 1 now, the parts when they are asked for.

    ``format`` null = detect it. ``source`` names the import and is part of every group_id. Raises ConfigError for
    paths, formats and options that cannot be, for a broken Parquet file, and where there are no rows at all.
    """
    correct_expression(options.correct_when, False)
    chosen, evidence, sources, ignored = choose(paths, format, options)
    tally = Tally()
    groups = Groups(source)
    with Spill(spill_dir) as spill:
        prompts = Prompts(source, spill.add_prompt)
        for item in chosen.read(sources, options):
            _take(item, groups, prompts, spill, tally)
        spill.close_tables()
        if not spill.n_rows and not spill.n_rejects:
            raise ConfigError(f"{', '.join(map(str, paths))} has no rows")
        bounds = cut(groups.sizes, rows_per_part)
        if tally.has_index:
            _reject_duplicates(spill, groups, tally, bounds)
    found = Found(chosen.NAME, evidence, [s.name for s in sources], ignored)
    report = make_report(found, tally, groups.report(), prompts, spill, options.correct_when)
    judging = Judging(
        correct_expression(options.correct_when, report.is_binary),
        tally.n_rewards > 0,
        report.n_advantages > 0,
        tally.has_scores,
    )
    return Loaded(report, spill.rejects_path, spill_dir, bounds, np.array(groups.ids, np.int64), judging)


def cut(sizes: Sequence[int], rows_per_part: int) -> list[tuple[int, int]]:
    """Cut consecutive groups into parts of at most ``rows_per_part`` rows: ordinals (low, high), high excluded.

    A group larger than that is a part of its own.
    """
    bounds: list[tuple[int, int]] = []
    low = n_rows = 0
    for ordinal, size in enumerate(sizes):
        if n_rows + size > rows_per_part and ordinal > low:
            bounds.append((low, ordinal))
            low, n_rows = ordinal, 0
        n_rows += size
    return [*bounds, (low, len(sizes))] if sizes else []


def _take(item: Item, groups: Groups, prompts: Prompts, spill: Spill, tally: Tally) -> None:
    if isinstance(item, Rollout):
        placed = groups.place(item, prompts)
        if isinstance(placed, str):
            spill.reject_rollout(item, placed)
        else:
            spill.add(*placed, item)
            tally.count(item)
    elif isinstance(item, Note):
        tally.notes.append(item.text if not item.rows else f"{item.text}: {item.rows} rows left out")
        tally.n_left_out += item.rows
    else:
        spill.reject(item)


def _reject_duplicates(spill: Spill, groups: Groups, tally: Tally, bounds: Sequence[tuple[int, int]]) -> None:
    """Reject samples whose group and index came before. Part by part, for a set of all keys could be any size."""
    columns = ["ordinal", "sample_index", "arrival", "file", "row", "reward", "accuracy", "advantage"]
    for low, high in bounds:
        seconds = read_rows(spill.rows.path, low, high, columns).filter(~IS_FIRST)
        if seconds.is_empty():
            continue
        texts = read_rows(spill.rows.path, low, high, [*KEYS, "completion"]).select("arrival", "completion")
        for row in seconds.join(texts, on="arrival").iter_rows(named=True):
            spill.reject(Reject(row["file"], row["row"], DUPLICATE, (row["completion"] or "")[:MAX_EXCERPT]))
            groups.sizes[row["ordinal"]] -= 1
            tally.uncount(row["reward"], row["accuracy"], row["advantage"])
