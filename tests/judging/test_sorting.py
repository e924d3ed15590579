"""The strategies of a group while a judge sorts them, window by window."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from curate.judging.sorting import Sorting
from curate.judging.strategies import cost

LARGE = 100_000


def test_one_solution_is_a_strategy_without_a_question() -> None:
    alone = Sorting(["a" * 10_000], room=10)
    assert alone.next_window() is None
    assert alone.clusters == [0]
    assert alone.too_long == []


def test_one_window_is_taken_over_in_the_order_of_first_appearance() -> None:
    sorting = Sorting(["a", "b", "c", "d"], room=LARGE)
    assert sorting.next_window() == [0, 1, 2, 3]
    sorting.take([0, 1, 2, 3], [[4, 2], [3, 1]])
    assert sorting.clusters == [0, 1, 0, 1]
    assert sorting.next_window() is None


def test_further_windows_show_one_solution_of_each_known_strategy() -> None:
    sorting = Sorting(["aaaa", "bb", "a", "cc", "d", "e"], room=LARGE, max_shown=4)
    first = sorting.next_window()
    assert first == [0, 1, 2, 3]
    sorting.take(first, [[1, 3], [2, 4]])
    second = sorting.next_window()
    assert second == [1, 2, 4, 5]  # the shortest of each strategy, then the new ones
    assert sorting.n_known(second) == 2
    sorting.take(second, [[1], [2, 4], [3]])
    assert sorting.clusters == [0, 1, 0, 1, 2, 0]
    assert sorting.next_window() is None


def test_a_list_with_two_known_strategies_joins_its_new_solutions_to_the_first() -> None:
    sorting = Sorting(["a", "b", "c", "d"], room=LARGE, max_shown=3)
    sorting.take([0, 1], [[1], [2]])
    sorting.take([0, 1, 2, 3], [[1, 2, 3], [4]])
    assert sorting.clusters == [0, 1, 0, 2]


def test_only_the_most_frequent_strategies_are_shown_again_so_that_half_a_window_is_free() -> None:
    sorting = Sorting([str(n) for n in range(9)], room=LARGE, max_shown=4)
    sorting.take([0, 1, 2, 3], [[1], [2], [3, 4]])
    assert sorting.next_window() == [0, 2, 4, 5]


def test_a_solution_beyond_a_third_of_the_room_is_never_shown() -> None:
    small = cost("b")
    sorting = Sorting(["a" * 9_999, "b", "c"], room=3 * small)
    assert sorting.too_long == [0]
    assert sorting.next_window() == [1, 2]
    sorting.take([1, 2], [[1, 2]])
    assert sorting.clusters == [None, 0, 0]
    assert sorting.next_window() is None


def test_one_solution_that_fits_is_a_strategy_of_its_own() -> None:
    sorting = Sorting(["a" * 9_999, "b"], room=3 * cost("b"))
    assert sorting.next_window() is None
    assert sorting.clusters == [None, 0]


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60, unique=True),
    st.integers(200, 2_000),
    st.integers(2, 8),
    st.randoms(use_true_random=False),
)
def test_windows_fit_and_end_with_every_solution_that_fits_sorted(
    lengths: list[int], room: int, max_shown: int, random: Any
) -> None:
    sorting = Sorting(["x" * n for n in lengths], room, max_shown)
    n_windows = 0
    while (window := sorting.next_window()) is not None:
        assert len(set(window)) == len(window) <= max_shown
        assert sum(cost(sorting.texts[place]) for place in window) <= room
        assert sorting.n_known(window) < len(window)
        sorting.take(window, [[n] for n in random.sample(range(1, len(window) + 1), len(window))])
        n_windows += 1
        assert n_windows <= len(lengths)
    left_out = set(sorting.too_long)
    assert all((cluster is None) == (place in left_out) for place, cluster in enumerate(sorting.clusters))
    sorted_ = [cluster for cluster in sorting.clusters if cluster is not None]
    assert sorted(set(sorted_)) == list(range(len(set(sorted_))))
