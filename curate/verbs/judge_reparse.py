"""Kept replies of a served judge, read again by today's parser: nothing is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from curate.verbs.judge_rows import Known, Row, feedback_row, feedback_table, find_split, known_prompts, read_groups

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.jobrecord import JobRecord


@dataclass
class Reread:
    """What reading again has changed; ``str()`` is the line a user reads."""

    ref: str
    n_read: int = 0
    n_changed: int = 0
    n_gained: int = 0
    n_lost: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Count one reply and whether its row changed."""
        self.n_read += 1
        self.n_changed += any(old[key] != value for key, value in new.items())
        self.n_gained += old["error"] is not None and new["error"] is None
        self.n_lost += old["error"] is None and new["error"] is not None

    def __str__(self) -> str:
        from curate.summary import by_reason

        return (
            f"{self.ref}: {self.n_read:,} kept replies read again, {self.n_changed:,} rows changed "
            f"({self.n_gained:,} judgments gained, {self.n_lost:,} lost); {by_reason('failed', dict(self.failed))}"
        )


def reparse(data: Dataset, ref: TableRef) -> Reread:
    """Read every kept reply of a variant again, write the parts that change, and return what changed.

    A part is replaced as a whole, so a run that is killed leaves parts of the old reading and parts of the new; running
    it again finishes it. Raises ConfigError for a variant that no served step judge made, for stale parts, and where
    completions are cut into other steps than when the judge was asked.
    """
    from curate.dataset import parse_ref
    from curate.stage import clear_temporary, refuse_stale, variant_lock

    record = _record(data, ref)
    samples, verdicts = (parse_ref(text) for text in record.inputs)
    refuse_stale(data, [samples, verdicts, *map(parse_ref, record.lookups), ref])
    told = Reread(str(ref))
    with variant_lock(data, ref):
        clear_temporary(data, ref)
        known = known_prompts(data)
        for name in data.parts(ref):
            groups = read_groups(data, samples, verdicts, name)
            _reread_part(data, ref, name, groups, known, record.parameters, told)
    return told


def _record(data: Dataset, ref: TableRef) -> JobRecord:
    from curate.errors import ConfigError
    from curate.jobrecord import read_record

    record = read_record(data, ref)
    if record is None or record.verb != "judge" or "model" not in record.parameters:
        raise ConfigError(
            f"{data.root}/{ref} was not made by a served judge: there are no replies to read again. Name a variant that was "
            "with --as NAME"
        )
    return record


def _reread_part(
    data: Dataset,
    ref: TableRef,
    name: str,
    groups: Iterator[list[Row]],
    known: Mapping[str, Known],
    parameters: Mapping[str, Any],
    told: Reread,
) -> None:
    from curate.contracts import contract
    from curate.judging.served import FAILURES
    from curate.parts import read_footer, write_part
    from curate.stage import read, temporary_folder
    from curate.verbs.judge_strategies import FIGURES, TASK, strategy_figures

    n_before = told.n_changed
    old = iter(read(data, ref, name).to_pylist())
    new: list[Row] = []
    for group in groups:
        kept = list(islice(old, len(group)))
        new += _reread_group(group, kept, known.get(group[0]["prompt_id"]), parameters, told)
    errors = Counter(row["error"] for row in new if row["error"])
    failed = {reason: count for reason, count in errors.items() if reason in FAILURES}
    told.failed.update(failed)
    if told.n_changed == n_before:
        return
    path, rules = data.part(ref, name), contract("feedback")
    footer = read_footer(path)
    dropped = {reason: count for reason, count in errors.items() if reason not in FAILURES}
    counts = footer.about.get("counts", {}) | {"failed": failed, "dropped": dropped}
    table = feedback_table(new)
    figures = {FIGURES: strategy_figures(table)} if parameters["task"] == TASK else {}
    footer = replace(footer, contract_hash=rules.hash, about=footer.about | {"counts": counts} | figures)
    write_part(path, table, rules, footer, temporary_folder(data, ref))


def _reread_group(
    group: list[Row], kept: list[Row], known: Known | None, parameters: Mapping[str, Any], told: Reread
) -> list[Row]:
    """Return the rows of a group by today's reading; rows without a reply stay as they are."""
    from curate.verbs.judge_strategies import TASK, reread_group

    if parameters["task"] == TASK:
        new = reread_group(group, known, kept)
    else:
        new = [_reread(old, sample, known, parameters) for old, sample in zip(kept, group, strict=True)]
    for old, row in zip(kept, new, strict=True):
        if old["reply"] is not None:
            told.add(old, row)
    return [old | row for old, row in zip(kept, new, strict=True)]


def _reread(old: Row, sample: Row, known: Known | None, parameters: Mapping[str, Any]) -> Row:
    """Return a sample's row by today's reading of its replies; as it was where there is none."""
    from curate.errors import ConfigError
    from curate.judging.replies import judgment, unpack
    from curate.judging.served import quotable

    if old["reply"] is None:
        return old
    steps = find_split(parameters["split"])(sample["completion"])
    if old["step_offsets"] not in (None, [step.offset for step in steps]):
        raise ConfigError(
            f"completions are cut into other steps than when the judge was asked (group {old['group_id']}, sample "
            f"{old['sample_index']}): ask it again, with --overwrite in place of --reparse"
        )
    problem, reference = (known.prompt or "", known.reference) if known else ("", None)
    quotes = quotable(problem, reference, steps)
    replies = unpack(old["reply"], len(steps))
    read = judgment(replies, len(steps), parameters["votes"], parameters["scores"], quotes)
    return feedback_row(sample, replace(read, reply=old["reply"]), steps, old["prompt_hash"])
