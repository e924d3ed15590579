"""Stored rollouts of any size and order -> parts of whole groups, in two passes and bounded memory.

Pass 1 reads the source once, row by row: groups get ordinals as they first appear, rows go to a scratch file. What
it keeps in memory is some 350 bytes a group. Pass 2 cuts the ordinals into parts and reads each part's rows back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curate.errors import ConfigError
from curate.importing.formats import choose
from curate.importing.group import GroupReport, Groups
from curate.importing.prompts import Prompts
from curate.importing.rollout import Item, Note, Options, Rollout
from curate.importing.spill import Spill
from curate.importing.tables import Judging, correct_expression, make_part, read_rows
from curate.records import Reject

DUPLICATE = "duplicate sample: its group already has this sample_index"


@dataclass
class Tally:
    """What pass 1 counts beside groups and prompts."""

    n_samples: int = 0
    n_left_out: int = 0
    n_rewards: int = 0
    n_accuracies: int = 0
    n_advantages: int = 0
    n_unjudged_advantages: int = 0
    has_index: bool = False
    is_binary: bool = True
    lowest_reward: float | None = None
    highest_reward: float | None = None
    notes: list[str] = field(default_factory=list)

    def count(self, rollout: Rollout) -> None:
        """Count a kept sample."""
        self.n_samples += 1
        self.n_accuracies += rollout.accuracy is not None
        self.n_advantages += rollout.advantage is not None
        self.has_index |= rollout.sample_index is not None
        reward = rollout.reward
        if reward is None:
            self.n_unjudged_advantages += rollout.advantage is not None
            return
        self.n_rewards += 1
        if reward not in (0.0, 1.0):
            self.is_binary = False
        if self.lowest_reward is None or reward < self.lowest_reward:
            self.lowest_reward = reward
        if self.highest_reward is None or reward > self.highest_reward:
            self.highest_reward = reward


@dataclass(frozen=True)
class Report:
    """What was found, for a person: every row is a sample, a reject, or left out with a note.

    ``outcome_from`` says what makes a sample correct, null where nothing does (then recipes that need it refuse).
    """

    format: str
    evidence: str
    files: list[str]
    ignored_files: list[str]
    n_samples: int
    n_rejects: int
    n_left_out: int
    first_rejects: list[Reject]
    groups: GroupReport
    n_prompts: int
    n_rewards: int
    reward_range: tuple[float, float] | None
    is_binary: bool
    outcome_from: str | None
    n_advantages: int
    notes: list[str]


@dataclass(frozen=True)
class Loaded:
    """A source that was read: its report, its rejects as JSONL, and its parts, made one at a time."""

    report: Report
    rejects_path: Path
    spill_dir: Path
    bounds: list[tuple[int, int]]
    ids: np.ndarray
    judging: Judging

    def parts(self) -> Iterator[tuple[str, dict[str, pa.Table]]]:
        """Make the parts in order: (name, tables). ``prompts`` holds those first met in the part.

        ``verdicts`` is there where the source has rewards or an accuracy, ``advantages`` where it has advantages: in
        every part or in none.
        """
        for number, (low, high) in enumerate(self.bounds):
            rows = read_rows(self.spill_dir / "rows.parquet", low, high)
            in_part = pl.col("ordinal").is_between(low, high - 1)
            prompts = pl.scan_parquet(self.spill_dir / "prompts.parquet").filter(in_part).collect()
            yield f"part-{number:05d}.parquet", make_part(rows, prompts, self.ids[low:high], low, self.judging)


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
    report = Report(
        format=chosen.NAME,
        evidence=evidence,
        files=[s.name for s in sources],
        ignored_files=ignored,
        n_samples=tally.n_samples,
        n_rejects=spill.n_rejects,
        n_left_out=tally.n_left_out,
        first_rejects=spill.first_rejects,
        groups=groups.report(),
        n_prompts=prompts.n_kept,
        n_rewards=tally.n_rewards,
        reward_range=_range(tally),
        is_binary=tally.is_binary and tally.n_rewards > 0,
        outcome_from=_outcome_from(options, tally),
        n_advantages=tally.n_advantages - tally.n_unjudged_advantages,
        notes=[*tally.notes, *_notes(tally, prompts)],
    )
    judging = Judging(
        correct_expression(options.correct_when, report.is_binary), tally.n_rewards > 0, report.n_advantages > 0
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
    columns = ["ordinal", "sample_index", "arrival", "file", "row", "completion"]
    is_second = pl.struct("ordinal", "sample_index").is_first_distinct().not_() & pl.col("sample_index").is_not_null()
    for low, high in bounds:
        for row in read_rows(spill.rows.path, low, high, columns).filter(is_second).iter_rows(named=True):
            spill.reject(Reject(row["file"], row["row"], DUPLICATE, (row["completion"] or "")[:500]))
            groups.sizes[row["ordinal"]] -= 1
            tally.n_samples -= 1


def _range(tally: Tally) -> tuple[float, float] | None:
    if tally.lowest_reward is None or tally.highest_reward is None:
        return None
    return tally.lowest_reward, tally.highest_reward


def _outcome_from(options: Options, tally: Tally) -> str | None:
    if options.correct_when is not None:
        return f"--correct-when {options.correct_when}"
    if tally.n_accuracies:
        return "the source's accuracy"
    return "rewards, all 0 or 1" if tally.is_binary and tally.n_rewards else None


def _notes(tally: Tally, prompts: Prompts) -> list[str]:
    notes = []
    if prompts.n_conflicting:
        notes.append(
            f"{prompts.n_conflicting} prompts came with several answers, references, domains or token ids: "
            "the first of each was kept"
        )
    if tally.n_unjudged_advantages:
        notes.append(f"{tally.n_unjudged_advantages} advantages left out: their samples have no reward")
    return notes
