"""Log-probs of another temperature than the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

SUSPECT = 0.005  # nats a token: above it other temperatures are tried
FITS = 0.02  # nats a token: float32 gives 1e-4, another server's kernels 1e-2
TRIED = tuple(round(0.1 * step, 1) for step in range(1, 21))
ENOUGH_TOKENS = 32
N_FIRST = 32
# Groups of four samples or more at temperature 0: how many there are in which most completions differ.
GREEDY_GROUPS = """
SELECT count(*) FILTER (texts * 2 > n) AS n_other, count(*), min(group_id) FILTER (texts * 2 > n) FROM (
    SELECT group_id, count(*) AS n, count(DISTINCT hash(completion, completion_ids)) AS texts
    FROM part WHERE temperature = 0 GROUP BY group_id HAVING count(*) >= 4
)
"""
_HALF = float(np.log(0.5))

# (places of rows, one temperature each) -> mean |stored - model's| of each row, nats a token
Apart = Callable[[Sequence[int], Sequence[float]], list[float]]


class Fit(NamedTuple):
    """The temperature that a row's stored log-probs fit, and how far they are from the model's there and as recorded."""

    place: int
    temperature: float
    apart: float
    as_recorded: float


def other_temperatures(apart: Apart, recorded: Sequence[float]) -> list[Fit]:
    """Return the rows whose stored log-probs are the model's at a temperature other than the recorded one.

    Rows that are within 0.005 nats a token of the model as recorded are left alone. The others are tried at 0.1, 0.2 ..
    2, then in steps of 0.05 and 0.025 around the best; one fits at 0.02 nats a token, and a fifth of what it was. Where
    none of 32 of them fits, another model's log-probs as a rule, the rest is not tried.
    """
    here = apart(range(len(recorded)), recorded)
    places = [place for place, nats in enumerate(here) if nats > SUSPECT]
    few = places[:: max(1, len(places) // N_FIRST)]
    fits = _fits(apart, few, recorded, here)
    return _fits(apart, places, recorded, here) if fits and len(few) < len(places) else fits


def _fits(apart: Apart, places: list[int], recorded: Sequence[float], here: Sequence[float]) -> list[Fit]:
    best = [(here[place], recorded[place]) for place in places]
    for heat in TRIED if places else ():
        best = _better(apart, places, best, [heat] * len(places))
    for step in (0.05, 0.025) if places else ():
        centre = [heat for _, heat in best]
        for sign in (-1, 1):
            best = _better(apart, places, best, [max(0.02, heat + sign * step) for heat in centre])
    return [
        Fit(place, round(heat, 3), nats, here[place])
        for place, (nats, heat) in zip(places, best, strict=True)
        if nats <= min(FITS, here[place] / 5)
    ]


def _better(
    apart: Apart, places: list[int], best: list[tuple[float, float]], heats: list[float]
) -> list[tuple[float, float]]:
    return [min(old, new) for old, new in zip(best, zip(apart(places, heats), heats, strict=True), strict=True)]


def sharper(stored: Iterable[Sequence[float]], scored: Iterable[Sequence[float]]) -> float | None:
    """Return the share of likely tokens that stored log-probs hold likelier than the same policy's at the recorded temperature.

    A token of more than half the probability is the likeliest, and a lower temperature makes that one likelier, whatever
    the others are: the share is 1 where log-probs are of a lower temperature, 0 where of a higher, near half where only
    rounding differs. Tokens within 0.002 nats say nothing; null below 32 that do.
    """
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(stored, scored, strict=True) if len(a) == len(b)]
    if not pairs:
        return None
    ours, theirs = (np.concatenate(each) for each in zip(*pairs, strict=True))
    differs = (np.minimum(ours, theirs) > _HALF) & (np.abs(ours - theirs) > 0.002)
    return float((ours > theirs)[differs].mean()) if differs.sum() >= ENOUGH_TOKENS else None
