"""Whether completions are the same by their seeds, or by chance.

On a GPU the same seed in another batch may give another token here and there, so equality decides nothing; how
surprising the tokens are in which two completions agree does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from curate.sampling.dialect import Served

NOISE = 0.02  # how often rounding alone changes a token, at most
DECISIVE = 4.0
_START = 24


def log_odds(pairs: Iterable[tuple[Served, Served]]) -> float:
    """Return log P(pairs | same seed) - log P(pairs | seeds of their own), in nats, up to each pair's first difference.

    With p a token's probability: a token in which both agree adds log((1 - NOISE) / p), the first in which they
    differ log(NOISE / (1 - p)), p at most 1 - NOISE. Certain tokens say nothing, and one pair counts DECISIVE at most, so
    that a long one does not outvote the others. Texts have no probabilities: a pair adds or takes DECISIVE by its first
    24 characters, and nothing where all pairs start alike. No pairs give 0.
    """
    known = list(pairs)
    if all(one.ids is None for one, _ in known):
        return _of_texts(known)
    return sum(min(max(_of_ids(one, other), -DECISIVE), DECISIVE) for one, other in known)


def _of_ids(one: Served, other: Served) -> float:
    odds = 0.0
    for mine, theirs, logprob in zip(one.ids or [], other.ids or [], one.logprobs or [], strict=False):
        p = min(math.exp(logprob), 1 - NOISE)
        if mine != theirs:
            return odds + math.log(NOISE / (1 - p))
        odds += math.log((1 - NOISE) / p)
    return odds


def _of_texts(pairs: list[tuple[Served, Served]]) -> float:
    starts = [((one.text or "")[:_START], (other.text or "")[:_START]) for one, other in pairs]
    if len({start for pair in starts for start in pair}) < 2:
        return 0.0
    return sum(DECISIVE if one == other else -DECISIVE for one, other in starts)
