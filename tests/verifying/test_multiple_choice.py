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
    "completion",
    [
        "Neither A nor B is correct.",
        "None of A, B or D is correct.",
        "None of A, B, and D is correct.",
        "I do not think that B is correct.",
        "I do not think that the answer is B.",
        "It isn't true that B is correct.",
        "I doubt B is correct.",
        "Let me check whether B is correct: no.",
        "If B is correct, we are done.",
        "If the answer is B, we are done.",
        "Suppose B is correct.",
        "Is the answer A? No.",
        "Is the correct answer A) Paris? No.",
        "The answer is A?",
        "Answer B is wrong.",
        "Answers A, B and C are wrong.",
        "The answer isn't B.",
        "The answer is unlikely B.",
        "(B) is wrong.",
        "B. is not correct.",
    ],
)
def test_what_is_denied_asked_or_supposed_is_no_choice(completion: str) -> None:
    assert get("multiple_choice").extract(completion) is None


@pytest.mark.parametrize(
    "completion",
    [
        "The answer is A, or B.",
        "The answer is A. Or B.",
        "The answer is **A** or **B**.",
        "The answer is A (or B).",
        "The answer is (a) or (b).",
        "The answer is A or possibly B.",
        "The answer is A or option B.",
        "The answer is A, possibly B.",
        "The answer is A and/or B.",
        "The answer is A, B, or C.",
        "The answer is either A or B.",
        "The answer is A-D.",
        "The answer is B – D.",
        "The answer is B to D.",
        "The answer is A/B.",
        "The answer is A|B|C|D",
        "The answer is A? B? C? D?",
        "The answer is B C D.",
        "The answer is (A) (B) (C).",
        "The answer is A or B.\nC",
        "<answer>A or B</answer>",
        "A or B is correct.",
        "Either A is correct or B is correct.",
        "\\boxed{(C) \\text{ or } (D)}",
        "\\boxed{B. or C}",
        "A) or B)",
    ],
)
def test_a_hedge_chooses_nothing(completion: str) -> None:
    assert get("multiple_choice").extract(completion) is None


@pytest.mark.parametrize(
    "completion",
    [
        "A) Paris B) Rome C) London D) Madrid",
        "(A) Paris (B) Rome (C) London",
        "A. Paris, B. Rome, C. London, D. Madrid",
        "Options:\nA. Paris\nB. Rome\nC. London",
        "A. Paris\nB. Rome\n\nWe think.\n\nB. Rome",
        "\\boxed{B) 12, C) 13}",
    ],
)
def test_a_list_of_choices_chooses_nothing(completion: str) -> None:
    assert get("multiple_choice").extract(completion) is None


@pytest.mark.parametrize(
    ("completion", "letters"),
    [
        ("The answer is C, since neither A nor B is correct.", "C"),
        ("So the answer is (C). None of A, B or D is correct.", "C"),
        ("The answer is C. Let me check whether B is correct: no.", "C"),
        ("The answer is C. But is the answer B? No.", "C"),
        ("The answer is B because triangle ABC is right.", "B"),
        ("The answer is B. Angle C is right.", "B"),
        ("The answer is B since only statement I is correct.", "B"),
        ("The answer is C, because A or B would be too small.", "C"),
        ("The answer is C, not B.", "C"),
        ("The answer is B - C is too small.", "B"),
        ("The answer is A or B. No, the answer is B.", "B"),
        ("The answer is C, or 12 cm.", "C"),
        ("B is the answer: C is too small.", "B"),
        ("Answer C is right. Answer D is wrong.", "C"),
        ("If x = 3 then the answer is B.", "B"),
        ("It is not hard to see that the answer is B.", "B"),
        ("I am not sure, but the answer is B.", "B"),
        ("Not A, but B is correct.", "B"),
        ("Since A is not round, B is correct.", "B"),
        ("Among A, B, C, D, B is correct.", "B"),
        ("Only statement B is correct.", "B"),
        ("Only statement I is correct.", None),
        ("The DNA is correct.", None),
        ("USDA is right about that.", None),
        ("The triangle ABC is right.", None),
        ("The right angle at A is right.", None),
        ("B is right of A.", None),
    ],
)
def test_a_statement_counts_before_praise_and_praise_is_of_a_choice(completion: str, letters: str | None) -> None:
    assert get("multiple_choice").extract(completion) == letters


@pytest.mark.parametrize(
    ("completion", "letters"),
    [
        ("The answer is B, I think.", "B"),
        ("The answer is B I think.", "B"),
        ("The correct answer is B and I am sure.", "B"),
        ("The answers are A and C, I believe.", "A, C"),
        ("The answers are A, C, and I.", "A, C, I"),
        ("The answer is B, A being too small.", "B"),
        ("The answer is D; A is too small.", "D"),
        ("The answer is D, and A and B are wrong.", "D"),
        ("Answer: A and C are correct.", "A, C"),
        ("The answers are C and A because they are round.", "A, C"),
    ],
)
def test_a_list_ends_where_the_next_clause_begins(completion: str, letters: str) -> None:
    assert get("multiple_choice").extract(completion) == letters


@pytest.mark.parametrize(
    "completion",
    [
        "The answer is $\\boxed{\\textbf{(B) }12}$.",
        "\\boxed{\\textbf{(B)} 12}",
        "\\boxed{(B)\\ 12}",
        "\\boxed{B) 12}",
        "\\boxed{B: 12}",
        "\\boxed{\\text{B. Paris}}",
        "\\boxed{\\text{Option B}}",
        "The correct answer choice is B.",
        "The correct answer here is B.",
        "The answer to this question is B.",
        "The answer to the multiple-choice problem is (B).",
        "The answer to question 5 is B.",
        "Option (B) is the answer.",
        "We see that B is the best choice.",
        "The answer is \\(B\\).",
        "The answer is \\(\\text{B}\\).",
        "The answer is `B`.",
        "The answer is 'B'.",
        "The answer is [B].",
        "The answer is clearly B",
        "The answer is therefore B.",
        "<answer>B</answer>",
        "<answer>B. Paris</answer>",
        "We think.\n\nB. Paris",
        "We think.\n\n**B. Paris**",
        "We think.\n\n**B.** Paris",
        "We think.\n\n(B) Paris",
        "We think.\n**Option B: Paris**",
        "We think.\nOption B",
    ],
)
def test_common_forms_of_a_choice(completion: str) -> None:
    assert get("multiple_choice").extract(completion) == "B"


def test_lists_in_markup() -> None:
    for completion in ("The answers are **A** and **C**.", "The answers are $A$, $C$.", "Answers: \\(A\\) and \\(C\\)"):
        assert get("multiple_choice").extract(completion) == "A, C"


@pytest.mark.parametrize("piece", ["A, ", "if A is correct ", "answer A or ", "answer" + " " * 40, "answer is \\text{"])
def test_a_megabyte_ends_in_a_verdict(piece: str) -> None:
    assert get("multiple_choice").extract(piece * (10**6 // len(piece))) is None


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
