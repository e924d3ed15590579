"""Windows cover all steps, fit, overlap, and always go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curate.judging.windows import windows


def test_windows() -> None:
    assert windows([], 10) == []
    assert windows([1, 2, 3], 10) == [(1, 3)]
    assert windows([11], 10) is None
    assert windows([1], 0) is None
    assert windows([2] * 8, 8) == [(1, 4), (4, 7), (7, 8)]
    assert windows([8, 8], 8) == [(1, 1), (2, 2)]
    assert windows([1, 8, 1], 8) == [(1, 1), (2, 2), (3, 3)]


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(1, 40))
def test_windows_cover_every_step_and_fit(costs: list[int], room: int) -> None:
    found = windows(costs, room)
    if found is None:
        assert max(costs) > room
        return
    reached = 0
    for first, last in found:
        assert 1 <= first <= reached + 1
        assert last > reached
        assert sum(costs[first - 1 : last]) <= room
        reached = last
    assert reached == len(costs)
