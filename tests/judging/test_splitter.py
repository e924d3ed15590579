"""Steps are lines; the final answer line belongs to the last; offsets index the completion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging import split
from curate.judging.splitter import final_answer, is_answer_line
from curate.records import Step


def test_lines_are_steps_and_the_answer_line_joins_the_last() -> None:
    assert split("16 - 7 = 9\n\n  9 * 2 = 18 \nA: 18\n") == [Step("16 - 7 = 9", 0), Step("9 * 2 = 18 \nA: 18", 14)]


@pytest.mark.parametrize(
    ("completion", "steps"),
    [
        ("", []),
        (" \n\t\n", []),
        ("one step", [Step("one step", 0)]),
        ("A: 18", [Step("A: 18", 0)]),
        ("A: 18\nbecause", [Step("A: 18", 0), Step("because", 6)]),
        ("work\n\nA: 18", [Step("work\n\nA: 18", 0)]),
        ("work\nA: 18\nA: 19", [Step("work\nA: 18\nA: 19", 0)]),
        ("work\nA: 18\nmore", [Step("work\nA: 18", 0), Step("more", 11)]),
        ("naïve €5\r\nx\r\n#### 5", [Step("naïve €5", 0), Step("x\r\n#### 5", 10)]),
    ],
)
def test_split(completion: str, steps: list[Step]) -> None:
    assert split(completion) == steps


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A: 18", True),
        ("#### 18", True),
        ("The answer is 18.", True),
        ("So the final answer is 18", True),
        ("Therefore, the answer is: 18", True),
        ("Answer: 18", True),
        ("\\boxed{18}", True),
        ("$$\\boxed{18}$$", True),
        ("A day has 24 hours", False),
        ("The answer is 3 * 6 = 18", False),
        ("The answers differ", False),
        ("The answer is " + "long " * 50, False),
    ],
)
def test_is_answer_line(line: str, expected: bool) -> None:
    assert is_answer_line(line) is expected


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("9 * 2 = 18\nA: 18", "18"),
        ("#### 1,800", "1,800"),
        ("The answer is: $18.", "18"),
        ("$\\boxed{18}$", "18"),
        ("A: 9\nA: 18\nbye", "18"),
        ("no line", None),
        ("", None),
    ],
)
def test_final_answer(solution: str, answer: str | None) -> None:
    assert final_answer(solution) == answer


LINES = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["A: 3", "  #### 4", "", "\r", "1+1=2"])), max_size=12)


@given(LINES.map("\n".join))
def test_offsets_index_the_completion_and_steps_cover_all_of_its_text(completion: str) -> None:
    steps = split(completion)
    end = 0
    for step in steps:
        assert not completion[end : step.offset].strip()
        assert completion[step.offset : step.offset + len(step.text)] == step.text == step.text.strip()
        assert step.text
        end = step.offset + len(step.text)
    assert not completion[end:].strip()
