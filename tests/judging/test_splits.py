"""Every way to cut a completion: offsets kept, nothing lost, the answer with the last step, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.judging.splits import SPLITTERS, auto, numbered, paragraphs, sentences
from curate.records import Step


def texts(steps: list[Step]) -> list[str]:
    return [step.text for step in steps]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("1. add\n2. divide", ["1. add", "2. divide"]),
        ("1) add\n2) divide", ["1) add", "2) divide"]),
        ("Step 1: add\nmore\nStep 2: divide", ["Step 1: add\nmore", "Step 2: divide"]),
        ("**Step 1**\nadd\n\n**Step 2**\ndivide", ["**Step 1**\nadd", "**Step 2**\ndivide"]),
        ("**Step 1:** add\n**Step 2:** divide", ["**Step 1:** add", "**Step 2:** divide"]),
        ("### Step 1. add\n### STEP 2. divide", ["### Step 1. add", "### STEP 2. divide"]),
        ("Sure!\n1. add\n2. divide", ["Sure!\n1. add", "2. divide"]),
        ("1. add\n2. divide\nThe answer is 4.", ["1. add", "2. divide\nThe answer is 4."]),
        ("Step 1: add\nStep 2: The answer is 4.", ["Step 1: add\nStep 2: The answer is 4."]),
        ("1. add\n2. \\boxed{4}", ["1. add\n2. \\boxed{4}"]),
        ("Step 1: a\n1. x\n2. y\nStep 2: b", ["Step 1: a\n1. x\n2. y", "Step 2: b"]),
        ("1. a\n1. nested\n2. b", ["1. a\n1. nested", "2. b"]),
        ("1.5 apples\n2.5 pears", ["1.5 apples\n2.5 pears"]),
        ("Step 1.5 is odd\nStep 2nd", ["Step 1.5 is odd\nStep 2nd"]),
        ("in 1. and 2. nothing", ["in 1. and 2. nothing"]),
        ("", []),
    ],
)
def test_numbered(completion: str, expected: list[str]) -> None:
    assert texts(numbered(completion)) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("a\nb\n\nc\n \t\n\n d \n", ["a\nb", "c", "d"]),
        ("a\n\nA: 4", ["a\n\nA: 4"]),
        ("A: 4\n\na", ["A: 4", "a"]),
        ("a\r\n\r\nb", ["a", "b"]),
        ("\n\na", ["a"]),
        (" \n", []),
    ],
)
def test_paragraphs(completion: str, expected: list[str]) -> None:
    assert texts(paragraphs(completion)) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("He has 3.5 kg. She has 2!", ["He has 3.5 kg.", "She has 2!"]),
        ("See e.g. Fig. 3 and Eq. 4. Then stop.", ["See e.g. Fig. 3 and Eq. 4.", "Then stop."]),
        ("Mr. J. Smith pays $5. Then $3 more.", ["Mr. J. Smith pays $5.", "Then $3 more."]),
        ("Let $x = 1. Y = 2$ hold. Done.", ["Let $x = 1. Y = 2$ hold.", "Done."]),
        (
            "Let \\(a. B\\) and \\[c. D\\] and $$e. F$$ be. Done.",
            ["Let \\(a. B\\) and \\[c. D\\] and $$e. F$$ be.", "Done."],
        ),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("1. First add. 2. Then stop.", ["1. First add.", "2. Then stop."]),
        ("a line\nAnother line\nthat goes on", ["a line", "Another line\nthat goes on"]),
        ("So 2 + 2 = 4. The answer is 4.", ["So 2 + 2 = 4. The answer is 4."]),
        ("Wait... no. Right?! Yes.", ["Wait...", "no.", "Right?!", "Yes."]),
        ("By no. 4 it is C. Thus x. Y.", ["By no. 4 it is C. Thus x.", "Y."]),
        ("it is approx. five. ok", ["it is approx. five. ok"]),
        ("", []),
    ],
)
def test_sentences(completion: str, expected: list[str]) -> None:
    assert texts(sentences(completion)) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("Intro.\n\n1. a\n2. b", ["Intro.\n\n1. a", "2. b"]),
        ("1. a. B\n\nc", ["1. a. B", "c"]),
        ("a\nb", ["a", "b"]),
        ("One here. Two here.", ["One here.", "Two here."]),
        ("one", ["one"]),
        ("one\nA: 4", ["one\nA: 4"]),
        ("", []),
    ],
)
def test_auto_takes_the_first_that_cuts(completion: str, expected: list[str]) -> None:
    assert texts(auto(completion)) == expected


PIECES = [
    "Step 1: ",
    "\n2. ",
    "\n\n",
    "\n",
    ". ",
    "A: 3",
    "$",
    "\\(",
    "**",
    "x",
    " ",
    "\r\n",
    "\x0b",
    "\u2028",
    "é",
    "1.",
]
COMPLETIONS = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(PIECES)), max_size=20).map("".join)


@pytest.mark.parametrize("name", SPLITTERS)
@given(completion=COMPLETIONS)
def test_offsets_index_the_completion_and_steps_cover_all_of_its_text(name: str, completion: str) -> None:
    end = 0
    for step in SPLITTERS[name](completion):
        assert not completion[end : step.offset].strip()
        assert completion[step.offset :].startswith(step.text)
        assert step.text == step.text.strip() != ""
        end = step.offset + len(step.text)
    assert not completion[end:].strip()


@pytest.mark.parametrize(
    "piece", ["$a ", "$", "\\(", "\\[x", ".", "\n", "1.\n", "a. ", "\nStep 1", "*", " \n", "\n#", "A. "]
)
@pytest.mark.parametrize("name", SPLITTERS)
def test_a_hostile_text_is_split_in_linear_time(name: str, piece: str) -> None:
    completion = piece * (200_000 // len(piece))  # quadratic work would take minutes
    assert len(SPLITTERS[name](completion)) <= len(completion)
