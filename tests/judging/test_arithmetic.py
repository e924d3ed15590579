"""The exact calculator: right on arithmetic, null on everything else."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging.arithmetic import evaluate, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16-3-4", 9),
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("2 x 3 × 4 X 5", 120),
        ("1/3", Fraction(1, 3)),
        ("12÷4−1", 2),
        ("7–2", 5),
        ("24+27+(-48)", 3),
        ("-5+8", 3),
        ("2*-3", -6),
        ("10,440,000/2", 5_220_000),
        ("$80,000+$50,000", 130_000),
        ("50000*5%", 2500),
        ("3*(2+150%)", Fraction(21, 2)),
        ("0.1+0.2", Fraction(3, 10)),
        (".5*8.", 4),
    ],
)
def test_value(text: str, value: Fraction | int) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "()", "+", "1+", "*2", "2**3", "2^3", "2//3", "1/0", "1/(2-2)", "2(3)", "(2)(3)", "3x-4", "28-2x"),
        *("X-5", "5*s", "25k", "¾*4", "2:15", "1 2", "2 1/2", "150 000", "1,23", "1.2.3", "1e5", "100%.01", "--5"),
        *("(1", "1)", "nan", "inf", "١+١", "9" * 201, "(" * 21 + "1" + ")" * 21, "\x00", "1\u00a0+1", "\ud800"),
    ],
)
def test_anything_else_is_null(text: str) -> None:
    assert evaluate(text) is None


def test_twenty_nested_brackets_are_read() -> None:
    assert evaluate("(" * 20 + "1" + ")" * 20) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8.33", (Fraction(833, 100), 2)),
        (" -5 ", (Fraction(-5), 0)),
        ("$1,800.0", (Fraction(1800), 1)),
        ("18.", (Fraction(18), 0)),
        ("5-3", None),
        ("1/2", None),
        ("5%", None),
        ("2s", None),
        ("", None),
    ],
)
def test_read_number(text: str, number: tuple[Fraction, int] | None) -> None:
    assert read_number(text) == number


NUMBERS = st.decimals(min_value=0, max_value=9999, places=2).map(lambda number: (str(number), Fraction(number)))


def _combine(parts: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
    def join(left: tuple[str, Fraction], operator: str, right: tuple[str, Fraction]) -> tuple[str, Fraction]:
        values = {
            "+": left[1] + right[1],
            "-": left[1] - right[1],
            "*": left[1] * right[1],
            "/": left[1] / (right[1] or 1),
        }
        text = right[0] if operator != "/" or right[1] else "1"
        return f"({left[0]}) {operator} ({text})", values[operator]

    return st.builds(join, parts, st.sampled_from("+-*/"), parts)


@given(st.recursive(NUMBERS, _combine, max_leaves=6))
def test_bracketed_arithmetic_agrees_with_fractions(expression: tuple[str, Fraction]) -> None:
    assert evaluate(expression[0]) == expression[1]


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 999)), max_size=20), st.integers(0, 999))
def test_precedence_agrees_with_python(tail: list[tuple[str, int]], first: int) -> None:
    text = str(first) + "".join(operator + str(number) for operator, number in tail)
    assert evaluate(text) == eval(text)


@given(st.text(alphabet="0123456789.,+-*/()xX×÷−$% e", max_size=60) | st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    value = evaluate(text)
    assert value is None or isinstance(value, Fraction)
    read_number(text)
