"""The first wrong step: by hand, and in agreement with the verifier and the solver wherever all can be tried."""

from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging import rts
from curate.records import Judgment
from curate.tasks.countdown import Problem
from curate.tasks.judge import first_wrong_step
from curate.tasks.moves import legal_moves, split
from curate.tasks.solve import reachable, solutions
from curate.tasks.verify import compare, extract


@pytest.mark.parametrize(
    ("problem", "completion", "first", "score"),
    [
        ("3 5 8:64>", "3+5=8;8*8=64", None, None),
        ("3 5 8:64>", "5+3=8", None, None),  # stops early, 64 is still in reach
        ("3 5 8:64>", "3+5=8;8+8=16", 2, 0.5),
        ("3 5 8:64>", "3+5=8;8*8=65", 2, 0.5),
        ("3 5 8:64>", "3+5=8;8*8", 2, 0.5),
        ("3 5 8:64>", "3+5=8;3+8=11", 2, 0.5),
        ("3 5 8:64>", "3+5=8;8*8=64;64+1=65", 3, 2 / 3),
        ("3 5 8:64>", "3*5=15;15+8=23", 1, 0.0),  # 15 and 8 give 23, 7 and 120
        ("3 5 8:64>", "5-3=2;2*8=16", 1, 0.0),  # true, but 2 and 8 give 10, 6, 16 and 4
        ("3 5 8:64>", "3+5=9;9*8=72", 1, 0.0),
        ("3 5 8:64>", "8*8=64", 1, 0.0),
        ("3 5 8:64>", "3-5=2;2*8=16", 1, 0.0),
        ("3 5 8:64>", "let me think", 1, 0.0),
        ("1 3 5 8:64>", "3+5=8;8*8=64;64*1=64", None, None),
        ("1 3 5 8:64>", "3+5=8;8*8=64;64+1=65", 3, 2 / 3),
        ("1 3 5 8:64>", "3+5=8;8+1=9;9*8=72", 2, 1 / 3),  # 9 and 8 give 17, 1 and 72
        ("1 3 5 8:64>", "1*3=3;3*5=15;15*8=120", 2, 1 / 3),
    ],
)
@pytest.mark.parametrize("reference", [None, "3+5=8;8*8=64", "nonsense"])
def test_by_hand(problem: str, completion: str, first: int | None, score: float | None, reference: str | None) -> None:
    steps = split(completion)
    assert first_wrong_step(problem, reference, steps) == Judgment(first_error_step=first)
    assert rts(first, len(steps)) == score


@pytest.mark.parametrize(
    ("problem", "completion", "error"),
    [
        ("3 5 8:64>", "", "no steps"),
        ("3 5 8:64>", " ; \n3+5=8", "no steps"),
        ("3 5 8>", "3+5=8", "the prompt is not a countdown problem"),
        ("9" * 1_000_000, "3+5=8", "the prompt is not a countdown problem"),
        ("1 1 1:50>", "1+1=2", "the problem has no solution"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_no_judgment_says_why(problem: str, completion: str, error: str) -> None:
    assert first_wrong_step(problem, None, split(completion)) == Judgment(error=error)


def judged(problem: Problem, completion: str) -> int | None:
    judgment = first_wrong_step(problem.prompt, None, split(completion))
    assert judgment.error is None
    return judgment.first_error_step


def test_a_solution_has_no_wrong_step_and_with_a_wrong_result_has_it_there() -> None:
    for numbers in combinations_with_replacement(range(1, 7), 3):
        for target in reachable(numbers):
            problem = Problem(numbers, target)
            for text in solutions(problem):
                first, second = text.split(";")
                assert judged(problem, text) is None
                assert judged(problem, first) is None
                assert judged(problem, f"{first}1;{second}") == 1
                assert judged(problem, f"{text}1") == 2
                assert judged(problem, f"{text};{second}") == 3


def test_verifier_judge_and_solver_agree_on_every_line_of_legal_play() -> None:
    for numbers in combinations_with_replacement(range(1, 7), 3):
        lines = [
            f"{first.text};{second.text}"
            for first in legal_moves(numbers)
            for second in legal_moves(tuple(sorted(rest_after(numbers, first.a, first.b, first.result))))
        ]
        for target in sorted(reachable(numbers))[::4]:
            problem = Problem(numbers, target)
            found = set(solutions(problem))
            starts = {text.partition(";")[0] for text in found}
            for line in lines:
                is_correct = compare(line, problem.text).outcome == "correct"
                assert is_correct == (line in found)
                assert judged(problem, line) == (None if is_correct else 2 if line.partition(";")[0] in starts else 1)


def rest_after(numbers: tuple[int, ...], a: int, b: int, result: int) -> list[int]:
    rest = list(numbers)
    rest.remove(a)
    rest.remove(b)
    return [*rest, result]


def test_every_pair_of_short_steps_is_wrong_somewhere_unless_it_solves() -> None:
    """All 2 x 9,216 texts of two steps over a few numbers, true or false, legal or not."""
    firsts = [f"{a}{op}{b}={c}" for a, op, b, c in product((1, 2, 3, 6), "+-*/", (1, 2, 3), (1, 6))]
    seconds = [f"{a}{op}{b}={c}" for a, op, b, c in product((2, 3, 6), "+-*/", (1, 2, 3, 6), (1, 6))]
    for problem in (Problem((1, 2, 3), 6), Problem((6, 3, 2), 1)):
        for first, second in product(firsts, seconds):
            text = f"{first};{second}"
            assert (judged(problem, text) is None) == (compare(text, problem.text).outcome == "correct")


@given(
    st.text() | st.text(alphabet="358+-*/=; \n", max_size=30),
    st.text() | st.sampled_from(["3 5 8:64>", "8 8 8:8>", "1 3 5 8:64>"]),
)
def test_any_text_gets_a_judgment_about_its_own_steps(completion: str, problem: str) -> None:
    steps = split(completion)
    judgment = first_wrong_step(problem, completion, steps)
    assert judgment.first_error_step is None or 1 <= judgment.first_error_step <= len(steps)
    if compare(extract(completion), problem).outcome == "correct":
        assert judgment == Judgment()
