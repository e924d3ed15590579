"""Problems: the same for ever, all solvable, and never in both splits."""

from itertools import permutations

import pytest

from curate.errors import ConfigError
from curate.tasks.countdown import Problem
from curate.tasks.generate import every_problem, problems, split_of
from curate.tasks.solve import reachable


def test_golden_problems() -> None:
    assert [p.text for p in problems(6, 0)] == [
        *("7 11 12:8", "1 6 12:84", "9 10 12:13", "4 12 12:96", "3 4 9:23", "8 9 11:79"),
    ]
    assert [p.text for p in problems(6, 0, "heldout")] == [
        *("3 6 11:39", "4 8 10:5", "1 4 6:23", "3 4 9:8", "3 5 8:23", "1 3 10:5"),
    ]
    assert [p.text for p in problems(4, 1, n_numbers=4)] == [
        *("3 4 5 12:61", "3 7 10 11:29", "2 4 5 8:12", "3 4 5 11:40"),
    ]


@pytest.mark.parametrize(
    ("n_numbers", "highest", "n_train", "n_heldout"), [(3, 12, 3498, 848), (3, 20, 12114, 3012), (4, 12, 50791, 12783)]
)
def test_how_many_problems_exist(n_numbers: int, highest: int, n_train: int, n_heldout: int) -> None:
    splits = [split_of(problem) for problem in every_problem(n_numbers, highest)]
    assert (splits.count("train"), splits.count("heldout")) == (n_train, n_heldout)


def test_no_order_of_the_numbers_changes_the_split() -> None:
    seen: dict[tuple[tuple[int, ...], int], str] = {}
    for problem in every_problem(3, 12):
        for numbers in permutations(problem.numbers):
            key = tuple(sorted(numbers)), problem.target
            assert seen.setdefault(key, split_of(Problem(numbers, problem.target))) == split_of(problem)
    assert len(seen) == 4346


def test_both_splits_are_all_problems_and_share_none() -> None:
    train, heldout = set(problems(3498, 5)), set(problems(848, 9, "heldout"))
    assert len(train) + len(heldout) == 3498 + 848
    assert train | heldout == set(every_problem(3, 12))


def test_a_larger_range_moves_no_problem_to_the_other_split() -> None:
    small, large = problems(3498, 0), problems(12114, 0, highest=20)
    assert set(small) == {problem for problem in large if max(problem.numbers) <= 12}


def test_every_problem_keeps_what_it_promises() -> None:
    for n_numbers in (3, 4):
        for problem in problems(800, 3, n_numbers=n_numbers):
            assert len(problem.numbers) == n_numbers
            assert list(problem.numbers) == sorted(problem.numbers)
            assert 1 <= problem.numbers[0] <= problem.numbers[-1] <= 12
            assert 1 <= problem.target <= 100
            assert problem.target not in problem.numbers
            assert problem.target in reachable(problem.numbers)


def test_fewer_problems_are_the_first_of_more_and_a_seed_gives_others() -> None:
    assert problems(10, 7) == problems(500, 7)[:10]
    assert set(problems(10, 7)) != set(problems(10, 8))


def test_more_than_exist_is_refused() -> None:
    assert len(problems(848, 0, "heldout")) == 848
    with pytest.raises(
        ConfigError,
        match=r"only 848 heldout countdown problems have 3 numbers of 1\.\.12, 849 were asked for: ask for fewer, or",
    ):
        problems(849, 0, "heldout")


@pytest.mark.parametrize(
    "options",
    [{"n": 0}, {"n": -1}, {"split": "test"}, {"n_numbers": 2}, {"n_numbers": 5}, {"highest": 0}, {"highest": 21}],
)
def test_an_argument_out_of_range_is_refused(options: dict[str, int | str]) -> None:
    arguments: dict[str, object] = {"n": 1, "seed": 0} | options
    with pytest.raises(ConfigError, match=r"n_numbers 3 or 4 and highest 1\.\.20, not n="):
        problems(**arguments)  # type: ignore[arg-type]
