"""`gsm8k`: the last answer line against the reference; on the published solutions, the published flags."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from curate.records import Verdict
from curate.verifying import get

REFERENCE = "She sells 9 eggs.\n9 * 2 = $<<9*2=18>>18\n#### 18"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


LINES = {
    "18": [
        *(
            "**18**",
            "**18** eggs",
            "**18 eggs**.",
            "\\$18",
            "$18$",
            "$18$ dollars",
            "\\(18\\)",
            "18€",
            "18 €",
            "18°",
            "18 m^2",
        ),
        *("18 (eighteen)", "\\boxed{18}", "$\\boxed{18}$", "**$\\boxed{18}$**", "\\boxed{18} eggs."),
    ],
    "-18": ["- 18", "−18", "–18", "**-18**", "-\\$18", "$-18$"],
    "none": [
        *(
            "2 millions",
            "2 thousands",
            "18 squared",
            "18 minus two",
            "18 tens",
            "18 x^2",
            "**2**10",
            "2**18",
            "**18** **20**",
        ),
        *("$5 + $13", "$18 and $20", "\\boxed{18}\\boxed{20}", "\\(18\\) \\(20\\)", "18^2", "**1**8"),
    ],
}


@pytest.mark.parametrize(
    ("completion", "answer", "outcome"),
    [
        ("16 - 7 = 9\nA: 18", "18", "correct"),
        ("16 - 7 = 9\n#### 18", "A: 18", "correct"),
        ("A: $18.00", REFERENCE, "correct"),
        ("A: 18 eggs", REFERENCE, "correct"),
        ("A:18\r\n", REFERENCE, "correct"),
        ("A: 5,600", "5600", "correct"),
        ("A: 5600", "work\n#### 5,600", "correct"),
        ("A: 9\nA: 18", REFERENCE, "correct"),
        ("A: 18\nthat was all", REFERENCE, "correct"),
        ("A: 18\nA: 9", REFERENCE, "incorrect"),
        ("A: 1/5", "1", "incorrect"),
        ("A: 1.8 billion", "1.8", "incorrect"),
        ("A: 10+John's age", "10", "incorrect"),
        ("A: eighteen", REFERENCE, "incorrect"),
        *(
            (f"#### {line}", answer, "correct" if answer == right else "incorrect")
            for right, lines in LINES.items()
            for line in lines
            for answer in ("18", "-18", "2")
        ),
        ("what Publisher A: 18", REFERENCE, "unparsable"),
        ("The answer is 18", REFERENCE, "unparsable"),
        ("A:", REFERENCE, "unparsable"),
        ("", REFERENCE, "unparsable"),
        ("A: 18", "eighteen", "error"),
        ("no line", "#### eighteen", "error"),
    ],
)
def test_outcome(completion: str, answer: str, outcome: str) -> None:
    assert get("gsm8k")(completion, answer).outcome == outcome


def test_extract_and_compare_compose_to_the_call() -> None:
    verifier = get("gsm8k")
    assert verifier.extract("9 * 2\nA: 18") == "18"
    assert verifier.compare("18", REFERENCE) == verifier("9 * 2\nA: 18", REFERENCE) == Verdict("correct", "18")
    assert verifier.compare(None, REFERENCE) == Verdict("unparsable", None, "no final answer line")


def test_published_solutions_get_their_published_flags() -> None:
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder with gsm8k/example_model_solutions.jsonl")
    outcomes: Counter[str] = Counter()
    verify = get("gsm8k")
    with (Path(folder) / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for model in MODELS:
                verdict = verify(row[model]["solution"], row["ground_truth"])
                outcomes[verdict.outcome] += 1
                assert (verdict.outcome == "correct") == row[model]["is_correct"], (row["question"], verdict)
    assert outcomes == {"correct": 2001, "incorrect": 3264, "unparsable": 11}
