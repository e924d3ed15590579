"""How the samples of a group are spread over requests."""

from __future__ import annotations

from collections.abc import Sequence

MAX_N = 16


def runs(indices: Sequence[int], max_n: int) -> list[tuple[int, int]]:
    """Return (first index, count) of the requests that ask for ascending ``indices``.

    One request asks for neighbours only, at most ``max_n``: its child i has the seed of the first plus i.
    """
    found: list[tuple[int, int]] = []
    for index in indices:
        first, count = found[-1] if found else (index, 0)
        if index == first + count and count < max_n:
            found[-1:] = [(first, count + 1)]
        else:
            found.append((index, 1))
    return found
