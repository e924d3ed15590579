"""The search: exactly the solutions that trying everything with fractions finds."""

from collections import defaultdict
from fractions import Fraction
from itertools import combinations_with_replacement, permutations, product

import pytest

from curate.errors import ConfigError
from curate.tasks.countdown import Problem
from curate.tasks.solve import reachable, reference, solutions


def test_solutions_by_hand() -> None:
    assert solutions(Problem((3, 5, 8), 64)) == ["3+5=8;8*8=64", "5+3=8;8*8=64"]
    assert solutions(Problem((4, 2, 6), 8)) == [
        "2*6=12;12-4=8",
        "4-2=2;2+6=8",
        "4-2=2;6+2=8",
        "4/2=2;2+6=8",
        "4/2=2;6+2=8",
        "4+6=10;10-2=8",
        "6-2=4;4+4=8",
        "6*2=12;12-4=8",
        "6+4=10;10-2=8",
    ]
    assert solutions(Problem((5, 3), 8)) == ["3+5=8", "5+3=8"]
    assert solutions(Problem((1, 1, 1), 50)) == []


def test_what_can_be_reached_by_hand() -> None:
    assert reachable((7,)) == {7}
    assert reachable((3, 6)) == {9, 3, 18, 2}
    assert reachable((3, 5)) == {8, 2, 15}
    assert reachable((1, 1, 1)) == {1, 2, 3}


def test_the_reference_is_the_first_solution_in_any_order_of_the_numbers() -> None:
    assert reference(Problem((3, 5, 8), 64)) == "3+5=8;8*8=64"
    for numbers in permutations((1, 2, 3, 4)):
        assert reference(Problem(numbers, 24)) == "1+2=3;3+3=6;4*6=24"


def test_a_problem_without_a_solution_has_no_reference() -> None:
    with pytest.raises(ConfigError, match="countdown problem 1 1 1:50 has no solution: give one that has"):
        reference(Problem((1, 1, 1), 50))


def exact(a: Fraction, operator: str, b: Fraction) -> Fraction:
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator]


def by_trying_everything(numbers: tuple[int, int, int]) -> dict[int, set[str]]:
    """Play every order, every operator, and both sides of the second step, in exact fractions."""
    found = defaultdict(set)
    for (a, b, c), first, second, is_swapped in product(set(permutations(numbers)), "+-*/", "+-*/", (False, True)):
        middle = exact(Fraction(a), first, Fraction(b))
        if middle <= 0 or middle.denominator > 1:
            continue
        left, right = (Fraction(c), middle) if is_swapped else (middle, Fraction(c))
        end = exact(left, second, right)
        if end > 0 and end.denominator == 1:
            found[int(end)].add(f"{a}{first}{b}={middle};{left}{second}{right}={end}")
    return dict(found)


def test_all_solutions_of_three_numbers_are_found_and_no_other() -> None:
    most = 0
    for numbers in combinations_with_replacement(range(1, 13), 3):
        expected = by_trying_everything(numbers)
        assert reachable(numbers) == set(expected)
        for target, texts in expected.items():
            found = solutions(Problem(numbers, target))
            assert len(found) == len(set(found))
            assert set(found) == texts
            most = max(most, len(found) if target <= 100 else 0)
    assert most == 28
