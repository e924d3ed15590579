"""Cuts a long list of steps into windows that fit a judge's context."""

from __future__ import annotations

from collections.abc import Sequence

OVERLAP = 0.25


def windows(costs: Sequence[int], room: int) -> list[tuple[int, int]] | None:
    """Return the first and last step (1-based) of each window, earlier windows first.

    ``costs`` are the tokens of each step, ``room`` those of a window. Each window holds as many steps as fit; the next
    starts with those at the end of it that fill up to a quarter of the room, so that a step is read with what led to
    it, and always reaches further. Null where a single step does not fit; no steps give no windows.
    """
    if any(cost > room for cost in costs):
        return None
    found: list[tuple[int, int]] = []
    start = end = 0
    while end < len(costs):
        used = sum(costs[start:end])
        while end < len(costs) and used + costs[end] <= room:
            used += costs[end]
            end += 1
        found.append((start + 1, end))
        start = _next_start(costs, end, room)
    return found


def _next_start(costs: Sequence[int], end: int, room: int) -> int:
    """Return where the window after one that ends before ``end`` starts: its first new step has to fit."""
    free = min(int(room * OVERLAP), room - costs[end]) if end < len(costs) else 0
    start = end
    while start > 0 and costs[start - 1] <= free:
        start -= 1
        free -= costs[start]
    return start
