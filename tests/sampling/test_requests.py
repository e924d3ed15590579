"""Which requests ask for which samples of a group."""

from __future__ import annotations

import pytest

from curate.sampling.requests import runs


@pytest.mark.parametrize(
    ("indices", "max_n", "requests"),
    [
        ([], 16, []),
        ([0], 16, [(0, 1)]),
        (list(range(32)), 16, [(0, 16), (16, 16)]),
        (list(range(5)), 2, [(0, 2), (2, 2), (4, 1)]),
        ([3, 4, 5, 9, 11, 12], 16, [(3, 3), (9, 1), (11, 2)]),
        ([0, 1, 2], 1, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_neighbours_share_a_request(indices: list[int], max_n: int, requests: list[tuple[int, int]]) -> None:
    assert runs(indices, max_n) == requests
