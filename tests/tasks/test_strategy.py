"""Strategies: the same for commuted operands and reordered steps, different for everything else."""

from collections import Counter
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.tasks.countdown import Problem
from curate.tasks.generate import every_problem, problems
from curate.tasks.solve import solutions
from curate.tasks.strategy import canonical, clusters, diversity
from curate.tasks.verify import compare, extract


@pytest.mark.parametrize(
    ("problem", "completion", "key"),
    [
        ("3 5 8:64", "3+5=8;8*8=64", "3+5=8;8*8=64"),
        ("3 5 8:64>", " 5+3=8 ; 8*8=64\nbye", "3+5=8;8*8=64"),
        ("2 4 6:8", "4-2=2;6+2=8", "2+6=8;4-2=2"),
        ("2 4 6:8", "6*2=12;12-4=8", "12-4=8;2*6=12"),
        ("3 4 12:9", "12/4=3;3*3=9", "12/4=3;3*3=9"),
        ("1 2 3 4:21", "4+3=7;2+1=3;7*3=21", "1+2=3;3*7=21;3+4=7"),
        ("1 2 3 4:21", "1+2=3;3+4=7;3*7=21", "1+2=3;3*7=21;3+4=7"),
        ("1 3 5 8:56", "3+5=8;8-1=7;7*8=56", "3+5=8;7*8=56;8-1=7"),
        ("1 3 5 8:56", "8-1=7;5+3=8;8*7=56", "3+5=8;7*8=56;8-1=7"),
        ("3 5 8:64", "3+5=8", None),
        ("3 5 8:64", "3+5=8;8*8=65", None),
        ("3 5 8:64", "", None),
        ("64", "3+5=8;8*8=64", None),
    ],
)
def test_canonical(problem: str, completion: str, key: str | None) -> None:
    assert canonical(completion, problem) == key


def test_the_ways_to_bracket_a_sum_are_different_strategies() -> None:
    assert clusters(["2+3=5;5+4=9", "3+4=7;7+2=9", "4+5=9", "3+2=5;4+5=9", "2+4=6;6+3=9"], "2 3 4:9") == [
        0,
        1,
        None,
        0,
        2,
    ]


def test_a_difference_and_a_sum_are_different_strategies() -> None:
    texts = solutions(Problem((2, 4, 6), 8))
    assert clusters(texts, "2 4 6:8") == [0, 1, 1, 2, 2, 3, 4, 0, 3]


def test_clusters_of_a_group_without_a_solution_are_null() -> None:
    assert clusters(["3+5=8", "no"], "3 5 8:64") == [None, None]
    assert clusters([], "3 5 8:64") == []
    assert clusters(["3+5=8;8*8=64"], "not a problem") == [None]


@pytest.mark.parametrize(
    ("group", "shares"),
    [
        ([0, 0, 1, None], [0.5, 0.5, 0.75, None]),
        ([None, None, 0, None], [None, None, 0.75, None]),
        ([0, 0, 0], [0.0, 0.0, 0.0]),
        ([0, 1, 2, 3], [0.75, 0.75, 0.75, 0.75]),
        ([None, None], [None, None]),
        ([0], [0.0]),
        ([None], [None]),
        ([], []),
    ],
)
def test_diversity(group: list[int | None], shares: list[float | None]) -> None:
    assert diversity(group) == shares


def test_commuting_and_reordering_steps_never_changes_the_strategy() -> None:
    for problem in problems(60, 0, n_numbers=4):
        for text in solutions(problem)[:12]:
            key = canonical(text, problem.text)
            assert key is not None
            for steps in permutations(text.split(";")):
                for commuted in product(*({step, commute(step)} for step in steps)):
                    variant = ";".join(commuted)
                    if compare(variant, problem.text).outcome == "correct":
                        assert canonical(variant, problem.text) == key


def commute(step: str) -> str:
    for operator in "+*":
        left, sign, rest = step.partition(operator)
        if sign:
            right, _, result = rest.partition("=")
            return f"{right}{operator}{left}={result}"
    return step


def test_two_strategies_differ_in_more_than_operands_and_order() -> None:
    for problem in problems(60, 0, n_numbers=4):
        found = solutions(problem)
        steps = [tuple(sorted(min(step, commute(step)) for step in text.split(";"))) for text in found]
        numbers = clusters(found, problem.text)
        assert len(set(zip(numbers, steps, strict=True))) == len(set(numbers)) == len(set(steps))


def test_how_many_strategies_problems_have() -> None:
    counts = Counter(
        len({canonical(text, problem.text) for text in solutions(problem)}) for problem in every_problem(3, 12)
    )
    assert counts == {1: 2776, 2: 450, 3: 826, 4: 93, 5: 16, 6: 171, 7: 10, 8: 1, 9: 3}


@given(
    st.lists(st.text() | st.sampled_from(["3+5=8;8*8=64", "5+3=8;8*8=64"]), max_size=6), st.text() | st.just("3 5 8:64")
)
def test_any_group_is_clustered_without_raising(group: list[str], problem: str) -> None:
    numbers = clusters(group, problem)
    shares = diversity(numbers)
    for completion, number, share in zip(group, numbers, shares, strict=True):
        assert (number is None) == (share is None) == (compare(extract(completion), problem).outcome != "correct")
        assert share is None or 0 <= share < 1
