"""What a stage did, in numbers: rows in, out, dropped, rejected, failed, and seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from curate.dataset import Dataset, TableRef
from curate.errors import ShareError
from curate.parts import read_footer


@dataclass
class Summary:
    """What a run of a stage did; ``str()`` is the line a user reads."""

    ref: str
    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    parts_made: int = 0
    parts_done: int = 0
    parts_pending: int = 0
    parts_waiting: int = 0
    parts_left: int = 0
    left: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        waiting = f"; {self.parts_waiting} part(s) wait for an input" if self.parts_waiting else ""
        if not self.parts_made:
            return f"{self.ref}: nothing to do, {self.parts_done} part(s) are done{waiting}"
        return (
            f"{self.ref}: {self.rows_in:,} rows in, {self.rows_out:,} out, {by_reason('dropped', self.dropped)}, "
            f"{self.rejected:,} rejected, {by_reason('failed', self.failed)}, {self.parts_made} part(s) made"
            f" ({self.parts_done} were done){waiting}, {self.seconds:.1f} s"
        )

    def add(self, rows_in: int, rows_out: int, dropped: dict[str, int], failed: dict[str, int]) -> None:
        """Count one part that was made."""
        self.rows_in += rows_in
        self.rows_out += rows_out
        self.parts_made += 1
        for total, part in ((self.dropped, dropped), (self.failed, failed)):
            _add(total, part)

    def leave(self, failed: dict[str, int]) -> None:
        """Count one part that is left unfinished, with what failed in it by reason."""
        self.parts_left += 1
        _add(self.left, failed)


def _add(total: dict[str, int], part: dict[str, int]) -> None:
    for reason, count in part.items():
        total[reason] = total.get(reason, 0) + count


def by_reason(word: str, counts: dict[str, int]) -> str:
    total = sum(counts.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()) if count)
    return f"{total:,} {word}" + (f" ({reasons})" if reasons else "")


def refuse_unfinished(summary: Summary, command: str) -> None:
    """Raise ShareError, with the command that goes on, where a run has left parts unfinished."""
    if summary.parts_left:
        raise ShareError(
            f"{summary.ref}: {summary.parts_left} part(s) were left unfinished: more than --max-failed-share of their groups "
            f"failed in ways that may pass ({by_reason('failed', summary.left)}; each is listed in .curate/rejects). "
            f"{summary.parts_made} part(s) were made, and what was finished of the others is kept: when the cause is mended, "
            f"run `{command}`, which asks only for the rest."
        )


def refuse_failures(dataset: Dataset, ref: TableRef, max_failed_share: float) -> None:
    """Raise ShareError where too large a share of the rows failed, over all parts there are.

    The parts are kept: a run that is repeated or went on after a kill is refused all the same.
    """
    rows, failed = 0, dict[str, int]()
    for name in dataset.parts(ref):
        counts = read_footer(dataset.part(ref, name)).about.get("counts", {})
        rows += counts.get("rows_in", 0)
        for reason, count in counts.get("failed", {}).items():
            failed[reason] = failed.get(reason, 0) + count
    share = sum(failed.values()) / rows if rows else 0.0
    if share > max_failed_share:
        raise ShareError(
            f"{ref}: {share:.1%} of {rows:,} rows failed ({by_reason('failed', failed)}), more than --max-failed-share "
            f"{max_failed_share:g}. The rows are kept with their reasons: look at them with `curate sql`, mend the cause and "
            "run again with --overwrite, or accept them with a higher --max-failed-share."
        )
