"""`math`: what it reads in a completion, and that it judges as math-verify does."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.records import Verdict
from curate.verifying import Limits, get
from curate.verifying.boxed import last_boxed
from curate.verifying.math import compare, extract, stated_by
from curate.verifying.stated import last_stated
from curate.verifying.workers.pool import Pool
from math_texts import completions

STORY = " First \\boxed{3} apples, and then after many words, more than seventy characters, there are \\boxed{7} left."
PARAGRAPH = "So we go on, and take $n$ as 5, and $m_{1}$ too. " * 100


@pytest.mark.parametrize(
    ("completion", "extracted"),
    [
        ("so $x = \\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("\\boxed{3}. Wait, $\\boxed{4}$ is right, as the second condition of the problem shows us.", "4"),
        ("\\fbox{12}", "12"),
        ("\\boxed{ 5 }", "5"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{3}, and then it goes on for a good while to say \\boxed{4", "3"),
        ("The answer is $\\boxed{50}$ percent.", "50\\%"),
        ("$\\boxed{1}$ and $\\boxed{2}$", "1,2"),
        ("$\\boxed{3}$. So $\\boxed{4}$", "4"),
        ("\\boxed{1} or \\boxed{2}", "1,2"),
        ("\\boxed{7}\n\\boxed{7}", "7"),
        ("If \\boxed{5} were right ... so the final answer is 18.", "18"),
        ("\\boxed{}", None),
        ("\\boxed{" + "1" * 2001 + "}", None),
        ("The final answer is $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}"),
        ("Final Answer: The final answer is: 18.", "18"),
        ("answer: 4\nI also considered 5.", "4"),
        ("**Answer:** 1,234.50 dollars", "1234.50"),
        ("The answer is 3 + 4.", "3+4"),
        ("The answer is 2/3.", "2/3"),
        ("x = 2, so $y = 3$ holds", "y = 3"),
        ("The roots are $1$ and $2$.", "1,2"),
        ("It costs $5.", "5"),
        ("it is 12,5 kg", "12.5"),
        ("#### 50%", "50\\%"),
        (".5", "0.5"),
        ("= 2**10", "2^10"),
        ("nothing here", None),
        ("", None),
        ("\\boxed{42}. (I put the answer in \\boxed{}.)", "42"),
        ("$\\boxed{42}$. Format: \\boxed{...}, \\boxed{\\ldots}", "42"),
        ("\\boxed{1}\\boxed{}\\boxed{2}", "1,2"),
        ("\\boxed{...} holds the answer", None),
        ("$\\boxed42$", "42"),
        ("$x = \\boxed 5$", "5"),
        ("$\\boxed5^2$", "\\boxed5^2"),
        *((before + STORY, "7") for before in ("It costs $5.", "\\begin{x}1\\\\[4pt]\\end{x}", "\\( is open", "$$")),
        ("$\\boxed{3}" + " + n" * 30 + "\\boxed{7}$", "3,7"),
        ("\\[\\boxed{3}" + " \\\\[4pt] n" * 30 + "\\boxed{7}\\]", "3,7"),
    ],
)
def test_extract(completion: str, extracted: str | None) -> None:
    assert extract(completion) == extracted


@pytest.mark.parametrize("shift", range(0, 49, 6))
@pytest.mark.parametrize(
    ("end", "extracted"),
    [
        ("The answer is 42.\n", "42"),
        ("The answer is 42." + " \n" * 5000, "42"),
        ("We get $42$.", "42"),
        ("We get\n$42$.", "42"),
        ("\\boxed{5} " + PARAGRAPH + "The final answer is 42.\n", "42"),
        ("\\boxed{5} " + PARAGRAPH + "It is not 42.\n", "5"),
        ("42" + " " * 5000 + "is $n$", "n"),
    ],
    ids=["line", "blank", "formula", "two lines", "after a box", "a box", "spaces"],
)
def test_the_end_of_a_long_paragraph_is_read(end: str, extracted: str, shift: int) -> None:
    """Wherever the last 4,000 characters begin: in a formula, between two."""
    assert extract(PARAGRAPH + "x" * shift + " " + end) == extracted


@pytest.mark.parametrize(
    ("answer", "stated"),
    [
        ("1/2", "1/2"),
        ("$\\frac12$", "\\frac12"),
        ("\\(x+1\\)", "x+1"),
        ("\\boxed{5}", "5"),
        ("We add 2 and 3.\nSo $\\boxed{5}$.", "5"),
        ("We add.\nThe answer is 5", "5"),
        ("$1,800", "$1,800"),
        ("\\begin{pmatrix}1 & 2\\\\[2pt]3 & 4\\end{pmatrix}", "\\begin{pmatrix}1 & 2\\\\[2pt]3 & 4\\end{pmatrix}"),
        (" ", None),
    ],
)
def test_what_an_answer_says(answer: str, stated: str | None) -> None:
    assert stated_by(answer) == stated


@pytest.mark.parametrize(
    ("completion", "answer", "outcome"),
    [
        ("\\boxed{0.5}", "1/2", "correct"),
        ("\\boxed{\\frac{2}{4}}", "$\\frac12$", "correct"),
        ("\\boxed{(x+1)^2}", "x^2+2x+1", "correct"),
        ("\\boxed{007}", "7", "correct"),
        ("\\boxed{-\\dfrac{2}{4}}", "-1/2", "correct"),
        ("\\boxed{6/3}", "2", "correct"),
        ("\\boxed{\\frac{1}{3}}", "\\frac{3}{1}", "incorrect"),
        ("\\boxed{1/0}", "7", "incorrect"),
        ("\\boxed{8}", "7", "incorrect"),
        ("\\boxed{[1, 2)}", "[1,2]", "incorrect"),
        ("\\boxed{\\frac{}}", "7", "unparsable"),
        ("I do not know", "7", "unparsable"),
        ("\\boxed{7}", "", "error"),
        ("\\boxed{7}", "\\frac{}", "error"),
        ("I do not know", "\\frac{}", "error"),
    ],
)
def test_outcome(completion: str, answer: str, outcome: str) -> None:
    assert get("math")(completion, answer).outcome == outcome


def test_verdict_carries_what_was_extracted_and_why_not() -> None:
    assert compare("8", "7") == Verdict("incorrect", "8")
    assert compare(None, "7") == Verdict("unparsable", None, "no answer found")
    assert compare("\\frac{}", "7") == Verdict("unparsable", "\\frac{}", "not readable as mathematics")
    assert compare("8", "\\frac{}") == Verdict("error", "8", "answer is not readable as mathematics")


@pytest.mark.parametrize("answer", ["1/2", "$x^2$", "\\boxed{[0,1)}", "Thus\n$\\boxed{\\text{even}}$"])
def test_the_gold_answer_is_correct(answer: str) -> None:
    verifier = get("math")
    gold = verifier.gold(answer, None)
    assert gold is not None
    assert verifier(gold, answer).outcome == "correct"


def judged_by_math_verify(completion: str, answer: str) -> bool:
    import math_verify

    gold = math_verify.parse(f"\\boxed{{{answer}}}", parsing_timeout=None)
    return bool(math_verify.verify(gold, math_verify.parse(completion, parsing_timeout=None), timeout_seconds=None))


@pytest.mark.parametrize(("n", "seed"), [(60, 7), pytest.param(2000, 8, marks=pytest.mark.slow)])
def test_completions_are_judged_as_math_verify_judges_them(n: int, seed: int) -> None:
    n_correct = 0
    for completion, answer in completions(n, seed):
        verdict = get("math")(completion, answer)
        assert (verdict.outcome == "correct") == judged_by_math_verify(completion, answer), (completion, answer)
        n_correct += verdict.outcome == "correct"
    assert 0.3 * n < n_correct < 0.8 * n


def test_integers_and_fractions_are_judged_as_math_verify_judges_them() -> None:
    forms = ["0", "-0", "7", "-7", "1/2", "-2/4", "6/3", "2", "\\frac{1}{2}", "-\\dfrac{1}{2}", "\\frac{0}{3}"]
    for answer, stated in product([*forms, "10000000000000000000001"], [*forms, "10000000000000000000002"]):
        is_correct = compare(stated, answer).outcome == "correct"
        assert is_correct == judged_by_math_verify(f"\\boxed{{{stated}}}", answer), (stated, answer)


def test_what_math_verify_judges_otherwise() -> None:
    for completion, answer in [("\\[ 62 \\text{ cm} \\]", "62"), ("I tried 7. \\boxed{\\frac{}}", "7")]:
        ours = get("math")(completion, answer).outcome == "correct"
        assert ours != judged_by_math_verify(completion, answer)


@pytest.mark.parametrize(
    ("text", "extracted"),
    [
        ("\\boxed{" * 150_000, None),
        ("\\boxed{1}" * 110_000, "1"),
        ("\\boxed{1},\\boxed{2}," * 50_000, None),
        ("\\boxed{1}" + "\\),\\(" * 200_000 + "\n\\boxed{2}", "2"),
        ("{" * 500_000 + "\\boxed{" + "}" * 500_000, None),
        ("final answer is " * 60_000, None),
        ("answer: $" * 110_000, "answer:"),
        ("answer " * 140_000 + "7", "7"),
        ("\\(" * 500_000, None),
        ("$1$ and " * 125_000, "1"),
        ("1 " * 500_000, "1"),
        ("=1+1+" * 200_000 + "a", "1"),
        ("=-" * 500_000, None),
        ("(" * 1_000_000, None),
        (" 1" + "+1" * 500_000 + "a", "1"),
    ],
    ids=lambda text: ascii(text)[:16],
)
def test_a_million_hostile_characters_are_read_in_little_time(text: str, extracted: str | None) -> None:
    started = time.process_time()
    extract(text)
    assert time.process_time() - started < 5  # 0.1 s each; what is quadratic takes hours


@pytest.mark.slow
def test_what_never_ends_is_a_timeout_and_the_rest_is_judged() -> None:
    endless = ["9^{9^{9^9}}", "(10^{10})!", "\\sum_{n=1}^{10^9} n^n", "{" * 900 + "}" * 900, "(x+y+z)^{300}"]
    with Pool("math", {}, Limits(seconds=2, memory_mb=2000), 2) as pool:
        pairs = [pair for text in endless for pair in ((text, "18"), ("18", "\\sqrt{324}"), ("18", text))]
        outcomes = [verdict.outcome for verdict, _ in pool.verdicts(pairs)]
    assert outcomes == ["timeout", "correct", "timeout"] * len(endless)


@given(st.text(alphabet="\\boxed{}fbox$[]()0123456789.,+-*/^= \n%and answer:is", max_size=200))
def test_any_text_is_read_without_raising(text: str) -> None:
    extract(text)
    last_boxed(text)
    last_stated(text)
    stated_by(text)


def test_the_library_is_asked_for_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['math_verify'] = None\n"
        "from curate.verifying import get\n"
        "from curate.errors import ConfigError\n"
        "try:\n    get('math')\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'curate[math]'" in done.stdout
