"""`multiple_choice`: which letters a completion chooses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.records import Verdict
from curate.verifying import get


@pytest.mark.parametrize(
    ("completion", "letters"),
    [
        ("\\boxed{C}", "C"),
        ("The answer is $\\boxed{\\text{(C)}}$.", "C"),
        ("\\boxed{c}", "C"),
        ("\\boxed{A, C}", "A, C"),
        ("\\boxed{AC}", "A, C"),
        ("\\boxed{C}. Is the answer B? No.", "C"),
        ("The answer is (C).", "C"),
        ("The answer is (c).", "C"),
        ("the correct answer is C", "C"),
        ("The best option is: **B**", "B"),
        ("Answer: D", "D"),
        ("**Answer: D) 12 cm**", "D"),
        ("Answer: $\\text{E}$", "E"),
        ("ANSWER: J", "J"),
        ("The answer must be option B, since 2 > 1.", "B"),
        ("The answer is A because it is round.", "A"),
        ("First I thought that the answer is A. No: the answer is B.", "B"),
        ("The answer is C and that is all.", "C"),
        ("The correct options are A, B, and D.", "A, B, D"),
        ("The answers are (D) and (A).", "A, D"),
        ("Only B is correct.", "B"),
        ("So C is the right choice.", "C"),
        ("Paris lies in France.\n\nC", "C"),
        ("We see it.\n(B)", "B"),
        ("We see it.\n**B.**", "B"),
        ("We see it.\nA, C\n", "A, C"),
        ("C", "C"),
        ("c", "C"),
        ("C.", "C"),
        ("C. Paris", "C"),
        ("(C) Paris", "C"),
        ("C) Paris", "C"),
        ("The answer is a fruit.", None),
        ("The answer is I do not know", None),
        ("The answer is A fruit", None),
        ("The answer is A or B.", None),
        ("The answer is not C.", None),
        ("The answer is E = mc^2", None),
        ("The answer is Apple", None),
        ("The answer is K", None),
        ("Option A is wrong, and so are B and C.", None),
        ("A cat sat. I saw it. Vitamin C helps. Plan B failed.", None),
        ("We try each of them.\na", None),
        ("We try each of them.\nBAD", None),
        ("Vitamin C", None),
        ("A fine day", None),
        ("\\boxed{42}", None),
        ("", None),
    ],
)
def test_extract(completion: str, letters: str | None) -> None:
    assert get("multiple_choice").extract(completion) == letters


@pytest.mark.parametrize(
    ("completion", "answer", "outcome"),
    [
        ("The answer is (C).", "C", "correct"),
        ("The answer is (C).", " (c) ", "correct"),
        ("C and A? The answers are C and A.", "A, C", "correct"),
        ("The answers are C and A.", "AC", "correct"),
        ("The answer is A.", "A, C", "incorrect"),
        ("The answers are A and C.", "A", "incorrect"),
        ("The answer is (B).", "C", "incorrect"),
        ("It is Paris.", "C", "unparsable"),
        ("The answer is (C).", "Paris", "error"),
        ("It is Paris.", "2", "error"),
        ("C", "", "error"),
    ],
)
def test_outcome(completion: str, answer: str, outcome: str) -> None:
    assert get("multiple_choice")(completion, answer).outcome == outcome


def test_verdict_carries_the_letters_in_order() -> None:
    assert get("multiple_choice")("The answers are C and A.", "A,C") == Verdict("correct", "A, C")
    assert get("multiple_choice")("No idea", "A") == Verdict("unparsable", None, "no letter chosen")
    assert get("multiple_choice")("A", "1") == Verdict("error", "A", "answer is not letters from A to J")


@pytest.mark.parametrize("answer", ["A", "(j)", "B, D", "ABCDEFGHIJ"])
def test_the_gold_answer_is_correct(answer: str) -> None:
    verifier = get("multiple_choice")
    gold = verifier.gold(answer, None)
    assert gold is not None
    assert verifier(gold, answer).outcome == "correct"


@given(st.text(alphabet="ABCIJabci()., \n:*$\\{}answeroptionisboxed", max_size=120))
def test_any_text_chooses_letters_or_nothing(text: str) -> None:
    letters = get("multiple_choice").extract(text)
    assert letters is None or set(letters.split(", ")) <= set("ABCDEFGHIJ")
