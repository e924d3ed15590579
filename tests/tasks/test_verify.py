"""The verdict, on hand-worked completions, on every solution there is, and on anything at all."""

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.records import Verdict
from curate.tasks.countdown import Problem
from curate.tasks.solve import reachable, solutions
from curate.tasks.verify import compare, extract

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("3+5=8;8*8=64", "3+5=8;8*8=64"),
        (" 3+5=8;8*8=64 \nI am sure.", "3+5=8;8*8=64"),
        ("so 3+5=8", "so 3+5=8"),
        ("\n3+5=8", None),
        (" \t", None),
        ("", None),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert extract(completion) == extracted


@pytest.mark.parametrize("answer", ["3 5 8:64", "3 5 8:64>", "8 5 3:64"])
@pytest.mark.parametrize(
    ("text", "outcome", "detail"),
    [
        ("3+5=8;8*8=64", "correct", None),
        ("5+3=8; 8*8=64;", "correct", None),
        ("3+5=8", "incorrect", "numbers left"),
        ("3*5=15;15+8=23", "incorrect", "target not reached"),
        ("8*8=64", "incorrect", "number not available"),
        ("3+5=8;8*8=64;64/1=64", "incorrect", "number not available"),
        ("3+5=8;3+8=11", "incorrect", "number not available"),
        ("3+8=12;12*5=60", "incorrect", "false equation"),
        ("3+5=8;8*8=65", "incorrect", "false equation"),
        ("3+61=64", "incorrect", "number not available"),
        ("3+5=64", "incorrect", "false equation"),
        ("3-5=2;2*8=16", "incorrect", "operation not allowed"),
        ("8/3=2", "incorrect", "operation not allowed"),
        ("3+5=8;8*8=", "unparsable", "not a step"),
        ("1+1=3;8*8=", "unparsable", "not a step"),
        ("(3+5)*8=64", "unparsable", "not a step"),
        ("64", "unparsable", "not a step"),
        ("3-5=-2", "unparsable", "not a step"),
        (";", "unparsable", "no steps"),
    ],
)
def test_compare(answer: str, text: str, outcome: str, detail: str | None) -> None:
    verdict = compare(text, answer)
    assert verdict == Verdict(outcome, text, detail)
    assert verdict.reward == (1.0 if outcome == "correct" else 0.0)


def test_an_empty_completion_is_unparsable() -> None:
    assert compare(None, "3 5 8:64") == Verdict("unparsable", None, "no steps")


def test_four_numbers_need_three_steps() -> None:
    assert compare("3+5=8;8*8=64;64*1=64", "1 3 5 8:64").outcome == "correct"
    assert compare("3+5=8;8*8=64", "1 3 5 8:64").detail == "numbers left"


@pytest.mark.parametrize("answer", ["", "64", "3 5 8", "3+5=8;8*8=64", "3 5 8:64>>"])
def test_an_answer_that_is_no_problem_judges_nothing(answer: str) -> None:
    verdict = compare("3+5=8;8*8=64", answer)
    assert verdict == Verdict("error", "3+5=8;8*8=64", "answer is not a countdown problem")
    assert verdict.reward is None


def test_every_solution_is_correct_and_no_longer_so_with_one_sign_changed() -> None:
    """A text with one character changed is correct only where it is a solution again, such as 1*1 for 1/1."""
    for numbers in combinations_with_replacement(range(1, 7), 3):
        for target in reachable(numbers):
            problem = Problem(numbers, target)
            found = set(solutions(problem))
            assert {compare(text, problem.text).outcome for text in found} == {"correct"}
            mutated = {text[:i] + sign + text[i + 1 :] for text in found for i in range(len(text)) for sign in "17+*=;"}
            outcomes = {text: compare(text, problem.text).outcome for text in mutated}
            assert {text for text, outcome in outcomes.items() if outcome == "correct"} == mutated & found


HOSTILE = [
    "__import__('os').system('true')",
    "9**9**9=1",
    "3+5=8;" * (MILLION // 6),
    ";" * MILLION,
    "; " * (MILLION // 2),
    " " * MILLION + "3+5=8",
    "9" * MILLION,
    "3+" * (MILLION // 2),
    "1" * MILLION + "=1",
    "3+5=" + "8" * MILLION,
    "3+5=1e999999999",
    "\x00\ud800\u202e",
    "\r" * MILLION,
    "\n" * MILLION,
    "٣+٥=٨;٨*٨=٦٤",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_gets_a_verdict(text: str) -> None:
    assert compare(extract(text), "3 5 8:64").outcome in ("incorrect", "unparsable")
    assert compare("3+5=8;8*8=64", text).outcome == "error"


STEPS = st.lists(st.from_regex(r"[0-9]{1,2}[-+*/][0-9]{1,2}=[0-9]{1,3}", fullmatch=True), max_size=4).map(";".join)


@given(st.text() | st.text(alphabet="0123456789+-*/=; \n", max_size=40) | STEPS, st.text() | st.just("3 5 8:64"))
def test_any_text_gets_a_verdict(completion: str, answer: str) -> None:
    verdict = compare(extract(completion), answer)
    assert verdict.extracted == extract(completion)
    assert (verdict.detail is None) == (verdict.outcome == "correct")
