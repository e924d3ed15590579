"""One step: how it is cut out, read, judged and played."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.records import Step
from curate.tasks.moves import Move, after, fault, legal_moves, read, split


@pytest.mark.parametrize(
    ("completion", "steps"),
    [
        ("3+5=8;8*8=64", [Step("3+5=8", 0), Step("8*8=64", 6)]),
        (" 3+5=8 ;\t8*8=64\r\n9*9=81;1+1=2", [Step("3+5=8", 1), Step("8*8=64", 9)]),
        ("3+5=8;;8*8=64;", [Step("3+5=8", 0), Step("8*8=64", 7)]),
        ("hm; 3 + 5", [Step("hm", 0), Step("3 + 5", 4)]),
        ("\n3+5=8", []),
        ("; ;", []),
        ("", []),
    ],
)
def test_split(completion: str, steps: list[Step]) -> None:
    assert split(completion) == steps


@given(st.lists(st.sampled_from(["3+5=8", " ", "", "\t1", "\x85", "é €", "\n"]) | st.text(max_size=9)).map(";".join))
def test_offsets_index_the_first_line_and_steps_cover_all_of_it(completion: str) -> None:
    end = 0
    for step in split(completion):
        assert not completion[end : step.offset].replace(";", "").strip()
        assert completion[step.offset : step.offset + len(step.text)] == step.text == step.text.strip() != ""
        end = step.offset + len(step.text)
    assert not completion[end:].partition("\n")[0].replace(";", "").strip()


def test_read() -> None:
    assert read("3+5=8") == Move(3, "+", 5, 8)
    assert read("3-3=0") == Move(3, "-", 3, 0)
    assert read("12/4=100000000000") == Move(12, "/", 4, 100_000_000_000)
    assert Move(3, "+", 5, 8).text == "3+5=8"


@pytest.mark.parametrize(
    "step",
    [
        *("", "3+5", "3+5=", "=8", "3+5=8=8", "3+5+1=9", "3 + 5 = 8", "03+5=8", "3+05=8", "3-8=-5", "-3+5=2", "3x5=15"),
        *(
            "3^5=8",
            "3**5=8",
            "3//5=8",
            "3+5==8",
            "3.0+5=8",
            "3+5=8.",
            "8/3=2.67",
            "(3+5)=8",
            "3+5=8>",
            "٣+٥=٨",
            "3＋5=8",
        ),
        *("1234567890123+1=2", "3+5=8\n", "\ud800", "9" * 1_000_000 + "+1=1", "1+" * 500_000, "=" * 1_000_000),
    ],
    ids=lambda step: ascii(step[:12]),
)
def test_anything_else_is_no_step(step: str) -> None:
    assert read(step) is None


@pytest.mark.parametrize(
    ("left", "step", "reason"),
    [
        ((3, 5, 8), "3+5=8", None),
        ((3, 5, 8), "5+3=8", None),
        ((8, 5, 3), "8-3=5", None),
        ((3, 6), "6/3=2", None),
        ((8, 8), "8/8=1", None),
        ((3, 5, 8), "4+5=9", "number not available"),
        ((3, 5, 8), "5+4=9", "number not available"),
        ((3, 5, 8), "8*8=64", "number not available"),
        ((3, 5, 8), "4+5=8", "number not available"),
        ((3, 5, 8), "0+3=3", "number not available"),
        ((64,), "64+1=65", "number not available"),
        ((64,), "64-64=0", "number not available"),
        ((3, 5, 8), "3-5=2", "operation not allowed"),
        ((3, 3), "3-3=0", "operation not allowed"),
        ((3, 5, 8), "8/3=2", "operation not allowed"),
        ((3, 6), "3/6=0", "operation not allowed"),
        ((3, 5, 8), "3+5=9", "false equation"),
        ((3, 5, 8), "3*5=8", "false equation"),
        ((3, 6), "6/3=3", "false equation"),
    ],
)
def test_fault(left: tuple[int, ...], step: str, reason: str | None) -> None:
    move = read(step)
    assert move is not None
    assert fault(left, move) == reason


def test_a_move_takes_two_numbers_and_puts_the_result_back() -> None:
    assert after((8, 5, 3), Move(3, "+", 5, 8)) == (8, 8)
    assert after((8, 8), Move(8, "/", 8, 1)) == (1,)
    assert after((2, 9, 2), Move(2, "*", 2, 4)) == (4, 9)


def test_legal_moves_come_in_a_fixed_order() -> None:
    texts = [move.text for move in legal_moves((6, 3, 3))]
    assert texts == ["3+3=6", "3*3=9", "3/3=1", "3+6=9", "3*6=18", "6+3=9", "6-3=3", "6*3=18", "6/3=2"]


@given(st.lists(st.integers(1, 999), min_size=1, max_size=4), st.integers(0, 999), st.sampled_from("+-*/"))
def test_a_legal_move_is_one_without_a_fault(left: list[int], b: int, operator: str) -> None:
    numbers = tuple(left)
    legal = set(legal_moves(numbers))
    assert all(fault(numbers, move) is None and read(move.text) == move for move in legal)
    for result in (numbers[0] + b, numbers[0] - b, numbers[0] * b, numbers[0] // (b or 1)):
        move = Move(numbers[0], operator, b, result)
        assert (fault(numbers, move) is None) == (move in legal)
