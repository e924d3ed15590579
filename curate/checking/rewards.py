"""Rewards of -1 and 1 that were read as 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from curate.checking.finding import Finding, key

COUNTS = """
SELECT outcome, CASE WHEN reward IN (-1, 0, 1) THEN CAST(CAST(reward AS INTEGER) AS VARCHAR)
    WHEN reward IS NULL THEN 'null' WHEN reward < 0 THEN 'negative' ELSE 'other' END AS kind,
    count(*) AS n, min({'group_id': group_id, 'sample_index': sample_index}) AS first
FROM part GROUP BY ALL ORDER BY ALL
"""
FEW_ZEROS = 0.05  # of the rewards of -1, 0 and 1: with more, 0 is a value of its own, such as half right
VERIFIED = {
    "correct": {"1"},
    "incorrect": {"0"},
    "unparsable": {"0"},
    "timeout": {"null"},
    "error": {"null"},
}


class Count(NamedTuple):
    """So many samples with this outcome and this kind of reward: -1, 0, 1, null, negative or other."""

    outcome: str | None
    kind: str
    n: int
    first: dict[str, int]


def misread_rewards(where: str, counts: Sequence[Count], is_verified: bool) -> Finding | None:
    """Return what rewards and outcomes contradict, null where they agree.

    Of a verifier of ours (``is_verified``) a correct sample has 1, a wrong one 0, one that was given up on none. Of a
    source: no correct sample has a negative reward, and where rewards are -1 and 1, but for a few of 0, no wrong sample
    has 1. Notes are: rewards of -1 and 1 of which nobody said what is correct; and, where rewards are graded and other
    correct samples have a positive one, a correct sample with a negative one: a penalty on length makes such, too.
    """
    kinds = {count.kind for count in counts if count.kind != "null"}
    n_rewards, n_zeros = (sum(count.n for count in counts if count.kind in of) for of in (kinds, {"0"}))
    is_signed = kinds - {"0"} == {"-1", "1"} and n_zeros <= FEW_ZEROS * n_rewards
    is_graded = bool(kinds & {"negative", "other"})
    total = sum(count.n for count in counts)

    def finding(bad: list[Count], evidence: str, do: str, is_note: bool = False) -> Finding:
        n, first = sum(count.n for count in bad), min(tuple(count.first.values()) for count in bad)
        return Finding("misread_rewards", where, evidence, n, total, "samples", key(*first), do, is_note)

    if is_verified:
        bad = [count for count in counts if count.outcome is None or count.kind not in VERIFIED[count.outcome]]
        if bad:
            seen = ", ".join(sorted({f"{count.outcome} with {count.kind}" for count in bad}))
            return finding(
                bad, f"rewards that no verifier gives: {seen}", "Make them again with `curate verify --overwrite`."
            )
        return None
    bad = [
        count
        for count in counts
        if (count.outcome == "correct" and count.kind in ("-1", "negative"))
        or (count.outcome in ("incorrect", "unparsable") and count.kind == "1" and is_signed)
    ]
    if bad and is_graded and any(count.outcome == "correct" and count.kind in ("1", "other") for count in counts):
        return finding(
            bad,
            "correct samples have a negative reward: a penalty lowered it, or a negative reward was taken for correct",
            'If there is no penalty, import again with --correct-when "reward > 0".',
            is_note=True,
        )
    if bad:
        return finding(
            bad,
            "outcome and reward contradict each other: a reward of -1 was taken for correct, or one of 1 for wrong",
            'Import again with --correct-when "reward > 0".',
        )
    unsaid = [count for count in counts if count.outcome is None and count.kind != "null"]
    if unsaid and is_signed:
        return finding(
            unsaid,
            "rewards are -1 and 1, and nothing says which samples are correct",
            'Import again with --correct-when "reward > 0", so that no recipe takes them for 0 and 1.',
            is_note=True,
        )
    return None
