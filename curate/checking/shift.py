"""Log-probs that stand one token too early or too late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["next", "previous"]
Row = tuple[Sequence[int], Sequence[float]]

NATS = 0.1  # the same token after the same tokens: servers' rounding stays below, in nearly all places
ENOUGH = 8  # pairs of completions
ENOUGH_TOKENS = 64


def shift_by_prefix(groups: Iterable[Sequence[Row]]) -> tuple[Side | None, int]:
    """Return whether stored log-probs belong to the next or previous token, and how many pairs of completions told.

    ``groups`` hold (ids, log-probs) of completions of one prompt by one policy. Where two of them part at place d, a
    log-prob is a function of the tokens up to its own: those before d are equal, those at d differ. Of the next token: they
    differ at d - 1 already, and not before. Of the previous one: they are equal at d still, and differ after. Null
    below 8 pairs that share a token, and for log-probs that follow neither pattern.
    """
    apart: list[list[float]] = [[], [], [], []]  # |difference| at d - 2, d - 1, d, d + 1
    for group in groups:
        rows = sorted({tuple(ids): logprobs for ids, logprobs in group}.items())
        for (ids, logprobs), (others, their) in pairwise(rows):
            d = _parting(ids, others)
            if d is None or d == 0:
                continue
            for place, found in zip(range(d - 2, d + 2), apart, strict=True):
                if 0 <= place < min(len(ids), len(others)):
                    found.append(abs(logprobs[place] - their[place]))
    earlier, before, at, after = (_share_apart(found) for found in apart)
    n = len(apart[1])
    if min(n, len(apart[0])) >= ENOUGH and before > 0.3 and earlier < before / 4:
        return "next", n
    if min(n, len(apart[3])) >= ENOUGH and at < 0.1 and after > 0.3:
        return "previous", n
    return None, n


def _parting(ids: Sequence[int], others: Sequence[int]) -> int | None:
    """Return the first place where two completions differ; null where one goes on where the other ends."""
    return next((place for place, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b), None)


def _share_apart(found: Sequence[float]) -> float:
    return sum(each > NATS for each in found) / len(found) if found else 0.0


def shift_against(stored: Iterable[Sequence[float]], scored: Iterable[Sequence[float]]) -> tuple[Side | None, float]:
    """Return whether stored log-probs fit those that a model gives the next or previous token, and how far they are apart.

    The distance is mean |stored - scored| in nats a token, as they stand. Moved by one they must be at half of it, and
    it at 0.05 or more: another model's log-probs tell too. Null below 64 tokens.
    """
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(stored, scored, strict=True) if len(a) == len(b) > 1]
    if sum(len(a) - 1 for a, _ in pairs) < ENOUGH_TOKENS:
        return None, 0.0
    here = _mean([a - b for a, b in pairs])
    moved: dict[Side, float] = {
        "next": _mean([a[:-1] - b[1:] for a, b in pairs]),
        "previous": _mean([a[1:] - b[:-1] for a, b in pairs]),
    }
    side = min(moved, key=lambda each: moved[each])
    return (side if here >= 0.05 and moved[side] < here / 2 else None), here


def _mean(differences: list[NDArray[np.float64]]) -> float:
    return float(np.abs(np.concatenate(differences)).mean())


def shifted_rows(stored: Sequence[Sequence[float]], scored: Sequence[Sequence[float]]) -> list[int]:
    """Return the places of rows whose log-probs are, moved by one, the very ones of the model, and not as they stand.

    Within 0.02 nats a token moved; at five times that and 0.05 or more as they stand; of four tokens or more.
    """
    found = []
    for place, (a, b) in enumerate(zip(map(np.asarray, stored), map(np.asarray, scored), strict=True)):
        if len(a) != len(b) or len(a) < 4:
            continue
        moved = min(_mean([a[:-1] - b[1:]]), _mean([a[1:] - b[:-1]]))
        if moved <= 0.02 and _mean([a - b]) >= max(0.05, 5 * moved):
            found.append(place)
    return found
