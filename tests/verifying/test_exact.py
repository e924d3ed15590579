"""`exact`: the stripped completion equals the stripped answer."""

import pytest

from curate.records import Verdict
from curate.verifying import get


@pytest.mark.parametrize(
    ("completion", "answer", "outcome"),
    [
        (" (a) \n", "(a)", "correct"),
        ("Paris", " Paris ", "correct"),
        ("paris", "Paris", "incorrect"),
        ("18.0", "18", "incorrect"),
        ("new  york", "new york", "incorrect"),
        ("", "Paris", "unparsable"),
        (" \t\n", "Paris", "unparsable"),
        ("", "", "unparsable"),
    ],
)
def test_outcome(completion: str, answer: str, outcome: str) -> None:
    assert get("exact")(completion, answer).outcome == outcome


def test_unparsable_verdict_counts_as_zero_and_says_why() -> None:
    verdict = get("exact")("  ", "x")
    assert verdict == Verdict("unparsable", None, "empty completion")
    assert verdict.reward == 0.0
