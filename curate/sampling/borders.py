"""Where a stored completion is cut, in tokens: before its steps, or at random positions."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import cache

Decode = Callable[[Sequence[int]], str]


def token_borders(ids: Sequence[int], offsets: Sequence[int], decode: Decode) -> list[int]:
    """Return for each character offset how many tokens stand before it.

    ``offsets`` are places in ``decode(ids)``. What stands before is the longest run of whole tokens whose text does not
    reach past the offset, and of equal ones the shortest: a token that holds both sides of a border, such as a word with
    the blank before it, belongs to what follows, so that a continuation may choose it anew; so do special tokens and
    the first bytes of a character that several tokens spell. An offset inside the first token gives 0.
    """
    whole = decode(ids)

    @cache
    def reach(n: int) -> int:
        text = decode(ids[:n])
        alike = (place for place, (one, other) in enumerate(zip(whole, text, strict=False)) if one != other)
        return len(text) if whole.startswith(text) else next(alike, len(whole))

    counts = range(len(ids) + 1)
    last = (bisect_right(counts, offset, key=reach) - 1 for offset in offsets)
    return [bisect_left(counts, reach(n), key=reach) for n in last]


def random_borders(n_tokens: int, n: int, seed: int) -> list[int]:
    """Return n different places between tokens, ascending; all of 1..n_tokens - 1 where there are no more."""
    inner = range(1, n_tokens)
    return sorted(random.Random(seed).sample(inner, min(n, len(inner))))
