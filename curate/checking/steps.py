"""First wrong steps counted from 0 among such counted from 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from curate.checking.finding import Finding

ZERO_SHARE = 0.05
_DO = (
    "A step that is one off grades every wrong sample wrongly: judge again, with --overwrite, or read the kept replies "
    "again with --reparse."
)


class Judged(NamedTuple):
    """A stored first wrong step (1-based, null = none found) and what its own evidence says."""

    key: str
    stored: int | None
    found: int | None


def mixed_steps(where: str, judged: Iterable[Judged], evidence: str) -> Finding | None:
    """Return the samples whose stored step is one off what ``evidence`` (the reply, the votes, the rule) says."""
    rows = list(judged)
    off = [row for row in rows if row.stored and row.found and abs(row.stored - row.found) == 1]
    if not off:
        return None
    said = f"the first wrong step is one off {evidence}: stored as {off[0].stored}, it is {off[0].found}"
    return Finding("mixed_step_base", where, said, len(off), len(rows), "judgments looked at", off[0].key, _DO)


def zero_steps(where: str, zeros: list[str], n_replies: int) -> Finding | None:
    """Return the replies that name step 0: this judge counts from 0, at least at times; a note below one in twenty."""
    if not zeros:
        return None
    return Finding(
        "mixed_step_base",
        where,
        "replies name step 0, so that this judge counts steps from 0 at times, and its other steps may be one too low",
        len(zeros),
        n_replies,
        "replies looked at",
        zeros[0],
        "Look at the replies with `curate sql`; ask a judge that keeps to the numbers it is shown.",
        is_note=len(zeros) < ZERO_SHARE * n_replies,
    )
