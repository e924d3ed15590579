"""Equations in a step: which are judged, which hold, and what a step arrives at."""

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest

from curate.judging.equations import calculator_annotations, equations, results, states

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@pytest.mark.parametrize(
    ("value", "stated", "expected"),
    [
        (Fraction(25, 3), "8.33", True),
        (Fraction(25, 3), "8.333333333333334", True),
        (Fraction(25, 3), "8.34", False),
        (Fraction(2, 3), "0.67", True),
        (Fraction(2, 3), "0.66", True),
        (Fraction(2, 3), "0.65", False),
        (Fraction(-2, 3), "-0.66", True),
        (Fraction(1, 8), "0.12", True),
        (Fraction(1, 8), "0.13", True),
        (Fraction(39, 8), "5", True),
        (Fraction(39, 8), "4", False),
        (Fraction(7, 2), "3", True),
        (Fraction(7, 2), "4", True),
        (Fraction(5, 3), "1", False),
        (Fraction(3, 10), "0.30000000000000004", True),
        (Fraction(1), "1.50", False),
        (Fraction(10**10), "10000000001", False),
        (Fraction(18), "$18.00", True),
        (Fraction(18), "eighteen", False),
    ],
)
def test_states(value: Fraction, stated: str, expected: bool) -> None:
    assert states(value, stated) is expected


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("16 - 3 = <<16-3=13>>13 ducks", [True, True]),
        ("16 - 3 = <<16-3=14>>13 ducks", [False, True]),
        ("5005 * 1000 = <<5005*1000=5005000>>500000", [True, False]),
        ("<<A+4=4+4=8>>", [True]),
        ("<<50=50-20-60=50>>", [False, False]),
        ("<<20/40*100=50%>>", [True]),
        ("<<20/40=50%>>", [True]),
        ("<<28-2x=20>>", []),
        ("<<400/0=0>>", []),
        ("<<83.3>>", []),
        ("9 * 2 = $18 a day", [True]),
        ("so 9 * 2 = 19.", [False]),
        ("16 - 3 = 13, 13 * 2 = 25", [True, False]),
        ("16 - 3 = 13 * 2 = 26", [True, True]),
        ("x = 16 - 3 = 12", [False]),
        ("Step 2: 16 - 3 = 12", [False]),
        ("(16 - 3 = 12)", [False]),
        ("20/40 = 50%", [True]),
        ("= -3 + 5 = 4", [False]),
    ],
)
def test_equations_are_judged(text: str, holds: list[bool]) -> None:
    assert [equation.holds for equation in equations(text)] == holds


@pytest.mark.parametrize(
    "text",
    [
        "<<1+1=3",
        "20 sheep - 5 = 15",
        "4 times 3 + 2 = 20",
        "half of 10 + 2 = 6",
        "- 16 - 3 = 13",
        "3x - 3 = 15",
        "33 / 2 = 2x / 2",
        "2^3 + 1 = 9",
        "2**3 = 8",
        "3 * $.50 = 150 cents",
        "3 * 2 = 6000 thousand",
        "3 * 4 = 6 boxes * 2",
        "3 * 4 = 10 + 2",
        "5 cents/sentence * 1000 sentences = 5000 cents",
        "2:15 + 2:38 = 4:53",
        "7 / 2 ≈ 3 = 5",
        "1 + 1 == 3",
        "1 + 1 != 3",
        "total = 13",
        "5 = 6",
        "a = b = c",
    ],
)
def test_prose_that_may_mean_something_else_is_passed_over(text: str) -> None:
    assert all(equation.holds for equation in equations(text))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("16 - 3 = <<16-3=13>>13", [13]),
        ("<<1+1=2>>2 then <<2*2=4.0>>4", [2, 4]),
        ("16 - 3 = 13 ducks, 9 * 2 = $1,800", [13, 1800]),
        ("x = 16 - 3 = 13", [13]),
        ("<<2*s=2s>>", []),
        ("she has 13 ducks", []),
        ("total = 13", []),
        ("", []),
    ],
)
def test_results(text: str, values: list[int]) -> None:
    assert results(text) == values


def test_published_annotations_are_counted() -> None:
    """Published: 16,692 annotations, 46 of them wrong.

    50 are wrong here: a count without percent signs (``3*(2+150%)=8`` and ``=6``) and chains
    (``50=50-20-60=50``), that lets a slip in the fifth digit pass (``0.47119999999999995*10=4.712199999999996``),
    finds the 46.
    """
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder with gsm8k/example_model_solutions.jsonl")
    n_annotations, wrong = 0, []
    with (Path(folder) / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for model in MODELS:
                for inside in calculator_annotations(row[model]["solution"]):
                    n_annotations += 1
                    if any(not equation.holds for equation in equations(f"<<{inside}>>")):
                        wrong.append(inside)
    assert n_annotations == 16692
    assert len(wrong) == 50
    assert {"3*(2+150%)=8", "3*(2+150%)=6", "50=50-20-60=50", "0.47119999999999995*10=4.712199999999996"} <= set(wrong)
