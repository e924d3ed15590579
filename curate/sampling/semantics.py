"""Which distribution a server's log-probs are of.

At temperature 0.02, or with top_p 0.01, the distribution sampled from is all but certain: its log-probs are near 0. Those
before temperature and truncation are as they were. So where the model is unsure, one greedy token tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from curate.sampling.completion import Setting
from curate.sampling.dialect import Served

COLD = Setting(temperature=0.02, max_new_tokens=4)
NARROW = Setting(top_p=0.01, max_new_tokens=4)
GREEDY = Setting(temperature=0.0, max_new_tokens=4)

_ENOUGH = 0.1  # nats over all tokens compared
_AS_IT_WAS, _GONE = 0.3, 0.6


def unsure_places(samples: Sequence[Served], n: int) -> list[list[int]]:
    """Return the ids before the least likely token of each sample, of the n samples with the least likely ones."""
    found = []
    for sample in samples:
        ids, logprobs = sample.ids or [], sample.logprobs or [0.0]
        low = min(logprobs)
        found.append((low, ids[: logprobs.index(low)]))
    return [ids for _, ids in sorted(found, key=lambda each: each[0])[:n]]


def is_applied(greedy: Sequence[Served], changed: Sequence[Served]) -> bool | None:
    """Return whether the log-probs of ``changed`` are those after the change; null where they do not tell.

    Both hold completions of the same contexts. Over the tokens they share, r = sum |changed - greedy| / sum |greedy| is
    near 1 where the change was applied before the log-probs were taken, near 0 where it was not.
    """
    before = moved = 0.0
    for one, other in zip(greedy, changed, strict=True):
        pairs = zip(one.ids or [], other.ids or [], one.logprobs or [], other.logprobs or [], strict=False)
        for mine, theirs, was, became in pairs:
            if mine != theirs:
                break
            before -= was
            moved += abs(became - was)
    if before < _ENOUGH or _AS_IT_WAS < moved / before < _GONE:
        return None
    return moved / before >= _GONE


def semantics(
    setting: Setting, is_heat_applied: bool | None, is_cut_applied: bool | None
) -> Literal["raw", "processed"] | None:
    """Return what log-probs at ``setting`` are; null where unknown, or where only one of temperature and top_p is in them."""
    if not setting.temperature:
        return "raw"
    applied = set()
    if setting.temperature != 1:
        applied.add(is_heat_applied)
    if setting.top_p < 1:
        applied.add(is_cut_applied)
    if len(applied) > 1 or None in applied:
        return None
    return "raw" if applied == {False} else "processed"
