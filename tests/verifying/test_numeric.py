"""`numeric`: the last number of the completion equals the answer."""

import pytest

from curate.records import Verdict
from curate.verifying import get


@pytest.mark.parametrize(
    ("completion", "answer", "outcome"),
    [
        ("3 eggs and 15 more make 18", "18", "correct"),
        ("18.00", "18", "correct"),
        ("$1,800", "1800", "correct"),
        ("0.5", "1/2", "correct"),
        ("50%", "50", "correct"),
        ("−3", "-3", "correct"),
        ("0.30000000000000004", "0.3", "incorrect"),
        ("0.3333", "1/3", "incorrect"),
        ("18 of 20", "18", "incorrect"),
        ("1/0", "1", "incorrect"),
        ("1e999999999", "1", "incorrect"),
        ("x = – 5", "-5", "correct"),
        ("x = – 5", "5", "incorrect"),
        ("x = - 5", "-5", "correct"),
        ("x = - 5", "5", "incorrect"),
        ("she owes -\\$5", "-5", "correct"),
        ("she owes -\\$5", "5", "incorrect"),
        ("10 - 18", "18", "correct"),
        ("2^10", "2", "unparsable"),
        ("3 × 10^5", "10", "unparsable"),
        ("√2", "2", "unparsable"),
        ("1.5 million", "1.5", "unparsable"),
        ("no idea", "18", "unparsable"),
        ("", "18", "unparsable"),
        ("nan", "18", "unparsable"),
        ("inf or -Infinity", "18", "unparsable"),
        ("it is １８ or ١٨", "18", "unparsable"),
        ("1e400", "1" + "0" * 400, "correct"),
        ("1e400", "1e401", "incorrect"),
        ("-0", "0", "correct"),
        ("9" * 1_000_000, "18", "incorrect"),
        ("x" * 1_000_000 + " 18", "18", "correct"),
    ],
)
def test_outcome(completion: str, answer: str, outcome: str) -> None:
    assert get("numeric")(completion, answer).outcome == outcome


@pytest.mark.parametrize("completion", ["18", "no idea"])
@pytest.mark.parametrize("answer", ["eighteen", "", "nan", "18 eggs", "9" * 2000])
def test_answer_that_is_no_number_is_an_error_without_reward(completion: str, answer: str) -> None:
    verdict = get("numeric")(completion, answer)
    assert (verdict.outcome, verdict.reward, verdict.detail) == ("error", None, "answer is not a number")


def test_verdict_carries_what_was_extracted() -> None:
    assert get("numeric")("so $18.0", "18") == Verdict("correct", "$18.0")
    assert get("numeric")("none", "18") == Verdict("unparsable", None, "no number")
