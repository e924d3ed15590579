"""From the replies of one judgment to the judgment: the same for a reply that just came and for one that was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import orjson

from curate.judging.verdict import Verdict, read_verdict
from curate.records import Judgment

UNREADABLE = "unreadable_reply"
INCOMPLETE = "incomplete"
"""A kept reply can be read today, but windows after it were never asked about."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request: of which vote, about which steps (1-based), and the raw text or why there is none."""

    vote: int
    first: int
    last: int
    text: str | None = None
    error: str | None = None


def pack(replies: Sequence[Reply]) -> str | None:
    """Write replies as one text: a single one as it is, several as a JSON list; null where nothing came back."""
    if all(reply.text is None for reply in replies):
        return None
    only = replies[0].text if len(replies) == 1 else None
    if only is not None and _unpacked(only) is None:
        return only
    return orjson.dumps([asdict(reply) for reply in replies]).decode()


def unpack(text: str, n_steps: int) -> list[Reply]:
    """Read back what ``pack`` wrote; one reply alone was about all steps."""
    return _unpacked(text) or [Reply(0, 1, n_steps, text)]


def _unpacked(text: str) -> list[Reply] | None:
    if not text.startswith('[{"vote":'):
        return None
    try:
        return [_reply(each) for each in orjson.loads(text)]
    except (ValueError, TypeError):
        return None


def _reply(fields: Any) -> Reply:
    reply = Reply(**fields)
    if not all(type(number) is int for number in (reply.vote, reply.first, reply.last)):
        raise TypeError
    return reply


def judgment(
    replies: Sequence[Reply], n_steps: int, n_votes: int = 1, names: Sequence[str] = (), quotes: Sequence[object] = ()
) -> Judgment:
    """Return the judgment that replies amount to.

    Each vote reads its windows in order; the first window with a wrong step decides it, and it is lost where a window
    cannot be read. Null, with the reason that is most common among the lost votes, where fewer than half of the votes
    could be read. e is by majority (``majority``); a score is the mean over the votes that gave it, and over the windows
    of a vote. ``reply`` is every raw reply (``pack``).
    """
    raw = pack(replies)
    outcomes = [_vote([r for r in replies if r.vote == vote], n_steps, names, quotes) for vote in range(n_votes)]
    read = [outcome for outcome in outcomes if isinstance(outcome, Verdict)]
    if 2 * len(read) < n_votes or not read:
        lost = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
        return Judgment(reply=raw, error=lost.most_common(1)[0][0])
    votes = tuple(verdict.first_error_step for verdict in read)
    return Judgment(
        first_error_step=majority(votes),
        reply=raw,
        votes=votes if n_votes > 1 else None,
        scores=_means(read, names) if names else None,
    )


def majority(votes: Sequence[int | None]) -> int | None:
    """Return the first wrong step that several judgments agree on, null = none found.

    None found wins with more than half of the votes; otherwise there is an error, and it is in the step that most of
    the others name, the earlier one on a tie: (2, 3, 3) gives 3, (4, 2) gives 2, (2, none) gives 2, (2, none, none)
    gives none, (5, 3, none, none) gives 3.
    """
    steps = Counter(vote for vote in votes if vote is not None)
    if 2 * steps.total() < len(votes) or not steps:
        return None
    return min(steps, key=lambda step: (-steps[step], step))


def _vote(replies: Sequence[Reply], n_steps: int, names: Sequence[str], quotes: Sequence[object]) -> Verdict | str:
    """Return the verdict of one vote, or why it has none."""
    read: list[Verdict] = []
    reached = 0
    for (first, last), tries in groupby(replies, key=lambda reply: (reply.first, reply.last)):
        if not 1 <= first <= last <= n_steps:
            return INCOMPLETE
        verdict, reached = _first_readable(list(tries), names, quotes)
        if isinstance(verdict, str):
            return verdict
        read.append(verdict)
        if verdict.first_error_step is not None:
            break
    else:
        if reached != n_steps:
            return INCOMPLETE
    return Verdict(read[-1].first_error_step, _means(read, names))


def _first_readable(
    tries: Sequence[Reply], names: Sequence[str], quotes: Sequence[object]
) -> tuple[Verdict | str, int]:
    for reply in tries:
        verdict = None if reply.text is None else read_verdict(reply.text, reply.first, reply.last, names, quotes)
        if verdict is not None:
            return verdict, reply.last
    return tries[-1].error or UNREADABLE, tries[-1].last


def _means(verdicts: Sequence[Verdict], names: Sequence[str]) -> Mapping[str, float | None]:
    given = {name: [score for each in verdicts if (score := each.scores[name]) is not None] for name in names}
    return {name: sum(scores) / len(scores) if scores else None for name, scores in given.items()}
