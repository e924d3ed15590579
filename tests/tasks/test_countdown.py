"""The problem's text: read exactly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.tasks.countdown import Problem, parse

MILLION = 1_000_000


def test_a_problem_is_written_as_answer_and_as_prompt() -> None:
    problem = Problem((3, 5, 8), 64)
    assert problem.text == "3 5 8:64"
    assert problem.prompt == "3 5 8:64>"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("3 5 8:64>", Problem((3, 5, 8), 64)),
        ("3 5 8:64", Problem((3, 5, 8), 64)),
        (" 8 5 3:64>\n", Problem((8, 5, 3), 64)),
        ("5 3:8>", Problem((5, 3), 8)),
        ("999 999 999 999:996005996001", Problem((999, 999, 999, 999), 996005996001)),
    ],
)
def test_parse(text: str, problem: Problem) -> None:
    assert parse(text) == problem


@pytest.mark.parametrize(
    "text",
    [
        *("", ">", ":", "3 5 8", "3 5 8:", ":64>", "3:3>", "1 2 3 4 5:15>", "3  5 8:64", "3,5,8:64", "3 5 8:64>>"),
        *("3 5 8: 64", "3 5 8 :64", "3 5 8:64>3+5=8", "03 5 8:64", "0 5 8:64", "3 5 8:0", "3 5 8:064", "3 5 -8:64"),
        *("3 5 1000:64", "3 5 8:1234567890123", "3 5 8:6.4", "3 5 8:6e1", "٣ ٥ ٨:٦٤", "３ ５ ８:６４", "3\t5\t8:64"),
        *("\ud8003 5 8:64", "3 5 8:64\x00", "9" * MILLION, "3 " * MILLION, "3 5 8:" + "9" * MILLION, ":" * MILLION),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_anything_else_is_null(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("numbers", "target"),
    [((3,), 3), ((1, 2, 3, 4, 5), 15), ((0, 5, 8), 64), ((3, 5, 1000), 64), ((3, 5, 8), 0), ((3, 5, 8), 10**12)],
)
def test_a_problem_out_of_range_is_refused(numbers: tuple[int, ...], target: int) -> None:
    with pytest.raises(ConfigError, match=r"has 2 to 4 numbers of 1\.\.999 and a target of 1 to 12 digits, not"):
        Problem(numbers, target)


@given(st.lists(st.integers(1, 999), min_size=2, max_size=4), st.integers(1, 10**12 - 1))
def test_what_is_written_is_read_back(numbers: list[int], target: int) -> None:
    problem = Problem(tuple(numbers), target)
    assert parse(problem.text) == problem
    assert parse(problem.prompt) == problem


@given(st.text() | st.text(alphabet="0123456789 :>", max_size=20))
def test_any_text_is_read_without_raising(text: str) -> None:
    problem = parse(text)
    assert problem is None or text.strip().rstrip(">") == problem.text
