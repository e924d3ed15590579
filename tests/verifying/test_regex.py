"""`regex`: the group of a pattern against the answer, in linear time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import Verifier, get

TAG = "(?s)<answer>(.*?)</answer>"


def made(pattern: str, **settings: object) -> Verifier:
    return get("regex", {"pattern": pattern, **settings})


@pytest.mark.parametrize(
    ("pattern", "settings", "completion", "extracted"),
    [
        (TAG, {}, "<answer>1</answer> no, <answer>\n 2\nlines </answer>.", "2\nlines"),
        (TAG, {"which": "first"}, "<answer>1</answer> no, <answer>2</answer>", "1"),
        (TAG, {}, "<answer>1", None),
        (TAG, {}, "<answer> </answer>", None),
        (r"(\d+)", {}, "12 and 345", "345"),
        (r"(\d+)", {"which": "first"}, "12 and 345", "12"),
        (r"(\d*)", {}, "12", None),
        (r"result: (\w+)", {"ignore_case": True}, "RESULT: Yes", "Yes"),
        (r"result: (\w+)", {}, "RESULT: Yes", None),
        (r"(x|y) = (?P<answer>\d+)", {}, "x = 1, y = 2", "2"),
        (r"^(\w+)$", {}, "one\ntwo", None),
        (r"(?m)^(\w+)$", {}, "one\ntwo", "two"),
        (r"\b(\w)\b", {}, "ab c de", "c"),
        (r"答案：(\S+)", {}, "所以答案：日本 \ud800。", "日本"),
        (r"A: (.*)", {}, "A: 5\ud800", "5\ufffd"),
        (r"(a+)", {}, "b" + "a" * 10_001, None),
        (r"(a+)", {}, "b" + "a" * 4_000, "a" * 4_000),
    ],
)
def test_extract(pattern: str, settings: dict[str, object], completion: str, extracted: str | None) -> None:
    assert made(pattern, **settings).extract(completion) == extracted


@pytest.mark.parametrize("shift", range(0, 44, 4))
@pytest.mark.parametrize(
    ("pattern", "before", "end", "extracted"),
    [
        (r"\*\*([^*]+)\*\*", "**a step that is long and bold** then. ", "So **42**", "42"),
        (r"\$([^$]+)\$", "$a_n = b$ and so on, ", "So $42$.", "42"),
        (r"\|(\w+)\|", "|a|b|", " |42|", "42"),
        (r"(\d+)", "1 + 1 = 2 ", "so 345.", "345"),
        (TAG, "<answer>1</answer> no. ", "<answer>42</answer>", "42"),
        (r"A: (.*)", "A: 1\n", "A: 42", "42"),
        (r"A: ((?s:.*))", "1 + 1 = 2 ", "A: " + "4" * 9_999, "4" * 9_999),
    ],
)
def test_the_last_match_of_a_long_text(pattern: str, before: str, end: str, extracted: str, shift: int) -> None:
    """Wherever the part that is read begins, between two marks that are alike or inside of them."""
    assert made(pattern).extract(before * 300 + " " * shift + end) == extracted


def test_a_mark_left_open_ends_no_match_in_a_text_that_is_read_whole() -> None:
    assert made(r"\*\*([^*]+)\*\*").extract("**a** b **c") == "a"


@pytest.mark.parametrize(
    ("compare", "completion", "answer", "outcome"),
    [
        ("exact", "A: Yes", " Yes ", "correct"),
        ("exact", "A: yes", "Yes", "incorrect"),
        ("exact", "A: 1,800", "1800", "incorrect"),
        ("exact", "B: Yes", "Yes", "unparsable"),
        ("numeric", "A: 1,800.0", "1800", "correct"),
        ("numeric", "A: 1801", "1800", "incorrect"),
        ("numeric", "A: many", "1800", "unparsable"),
        ("numeric", "none", "1800", "unparsable"),
        ("numeric", "A: 18", "many", "error"),
    ],
)
def test_outcome(compare: str, completion: str, answer: str, outcome: str) -> None:
    assert made("A: (.*)", compare=compare)(completion, answer).outcome == outcome


def test_verdict_carries_what_was_extracted() -> None:
    assert made("A: (.*)")("A: 5 ", "5") == Verdict("correct", "5")
    assert made("A: (.*)")("5", "5") == Verdict("unparsable", None, "no match")
    assert made("A: (.*)", compare="numeric")("A: x", "5") == Verdict("unparsable", "x", "not a number")


def test_the_gold_completion_is_the_answer_or_reference_that_the_pattern_reads() -> None:
    assert made(r"(\d+)").gold("18", None) == "18"
    assert made("A: (.*)").gold("18", "so\nA: 18") == "so\nA: 18"
    assert made("A: (.*)").gold("18", None) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "setting pattern is missing"),
        ({"pattern": "(a"}, "missing \\)"),
        ({"pattern": r"(a)\1"}, "no backreferences"),
        ({"pattern": "(?=a)(b)"}, "no look-around"),
        ({"pattern": "a"}, "has 0 groups"),
        ({"pattern": "(a)(b)"}, "has 2 groups: mark the answer"),
        ({"pattern": "(a)", "which": "middle"}, "which: Input should be 'last' or 'first'"),
        ({"pattern": "(" + "a{1000}" * 1000 + ")"}, "pattern"),
        ({"pattern": "(a)", "wich": "last"}, "unknown setting wich"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get("regex", settings)


@pytest.mark.parametrize("which", ["last", "first"])
@pytest.mark.parametrize("pattern", ["(a*b|a)", "(?:a*)*(b)", "(?s)(a.*b|a)", r"(\w+)\s*$", "(?:(?:a?){30}(c))", TAG])
@pytest.mark.parametrize("text", ["a" * 1_000_000, "a" * 3_000 + "c" * 997_000, "<answer>" * 125_000, "é" * 500_000])
def test_a_million_characters_are_read_in_little_time(text: str, pattern: str, which: str) -> None:
    started = time.process_time()
    made(pattern, which=which).extract(text)
    assert time.process_time() - started < 5  # 0.3 s; match after match takes minutes


@given(st.text(), st.sampled_from(["last", "first"]))
def test_any_text_is_read_without_raising(text: str, which: str) -> None:
    made(r"([\d.]+)", which=which, compare="numeric")(text, "1")


def test_the_library_is_asked_for_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['re2'] = None\n"
        "from curate.verifying import get\n"
        "from curate.errors import ConfigError\n"
        "try:\n    get('regex', {'pattern': '(a)'})\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'curate[regex]'" in done.stdout
