"""Reading numbers exactly, out of anything."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying.numbers import last_number, parse_number, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("the total is 18.", "18"),
        ("she pays $1,234.50 a year", "$1,234.50"),
        ("10-18", "18"),
        ("16 - 3", "3"),
        ("= -3", "-3"),
        ("= −3", "−3"),
        ("owes $-5", "$-5"),
        ("owes -$5", "-$5"),
        ("1, 2, 18", "18"),
        ("(1,2,18)", "18"),
        ("1,2345", "2345"),
        ("half is 1/2", "1/2"),
        ("50 %", "50 %"),
        (".5 left", ".5"),
        ("1e3", "1e3"),
        ("50 cm^2 of H2O", "50"),
        ("答案是18。", "18"),
        ("\\boxed{18}", "18"),
        ("x3.14", None),
        ("nan or inf", None),
        ("١٨", None),
        ("", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        (" $1,800.00 ", 1800),
        ("18.", 18),
        ("50%", 50),
        ("-0.5", Fraction(-1, 2)),
        ("−2", -2),
        ("+2", 2),
        ("$-5", -5),
        ("7/14", Fraction(1, 2)),
        ("-1/3", Fraction(-1, 3)),
        ("1.5e2", 150),
        ("2e-1", Fraction(1, 5)),
        ("0.1", Fraction(1, 10)),
        ("1/0", None),
        ("18 eggs", None),
        ("2 1/2", None),
        ("1,23", None),
        ("1e1001", None),
        ("1e999999999999", None),
        ("nan", None),
        ("-inf", None),
        ("0x10", None),
        ("1_000", None),
        ("١٨", None),
        ("", None),
    ],
)
def test_parse_number(text: str, value: Fraction | int | None) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18 eggs", 18),
        ("$18 per day", 18),
        ("$18/day", 18),
        ("18", 18),
        ("50%", 50),
        ("5 hours 30 minutes", None),
        ("10+John's age", None),
        ("-1.8 billion", None),
        ("2 Million dollars", None),
        ("18eggs", None),
        ("eggs 18", None),
    ],
)
def test_parse_quantity(text: str, value: int | None) -> None:
    assert parse_quantity(text) == value


def test_numbers_of_more_than_a_thousand_characters_are_not_read() -> None:
    assert parse_number("9" * 1000) == 10**1000 - 1
    assert parse_number("9" * 1001) is None


@given(st.integers(), st.integers(min_value=0, max_value=12))
def test_a_written_decimal_is_read_exactly(units: int, decimals: int) -> None:
    sign, digits = "-" * (units < 0), str(abs(units)).zfill(decimals + 1)
    text = f"{sign}{digits[: len(digits) - decimals]}.{digits[len(digits) - decimals :]}0"
    assert parse_number(text) == Fraction(units, 10**decimals)


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_thousands_commas_change_nothing(number: int) -> None:
    assert parse_number(f"{number:,}") == number
    assert last_number(f"so it is {number:,}.") == f"{number:,}"


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    number = last_number(text)
    assert number is None or number in text
    parse_number(text)
    parse_quantity(text)


@given(st.text(alphabet="0123456789.,-+$%/eE ^_x()−", max_size=40))
def test_any_jumble_of_digits_and_signs_is_read_without_raising(text: str) -> None:
    number = last_number(text)
    if number is not None and "/0" not in number and "e" not in number.lower():
        assert parse_number(number) is not None
