"""The rules: the first wrong step, none, or why there is no judgment."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.judging import RULES, get, rts, split
from curate.records import Judgment

REFERENCE = "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\nA: 18"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@pytest.mark.parametrize(
    ("completion", "first"),
    [
        ("16 - 7 = <<16-7=9>>9\n9 * 2 = <<9*2=18>>18\nA: 18", None),
        ("16 - 7 = <<16-7=8>>8\n8 * 2 = <<8*2=16>>16\nA: 16", 1),
        ("16 - 7 = 9\n9 * 2 = 17\nA: 17", 2),
        ("no numbers\nat all", None),
        ("7 / 0 = 3", None),
    ],
)
@pytest.mark.parametrize("reference", [None, REFERENCE])
def test_arithmetic(completion: str, first: int | None, reference: str | None) -> None:
    assert get("arithmetic")("", reference, split(completion)) == Judgment(first_error_step=first)


@pytest.mark.parametrize(
    ("completion", "first"),
    [
        ("16 - 7 = <<16-7=9>>9\n9 * 2 = <<9*2=18.0>>18\nA: 18", None),
        ("16 - 7 = <<16-7=9>>9\n9 * 4 = <<9*4=36>>36\nA: 36", 2),
        ("16 - 3 = <<16-3=13>>13\n13 - 4 = <<13-4=9>>9\nA: 9", 1),
        ("She has 16 eggs.\n16 + 3 = 19\nA: 19", 2),
        ("She sells 16 - 7 = <<16-7=9>>9\nA: 9", None),
        ("She makes $32.", None),
    ],
)
def test_reference_values(completion: str, first: int | None) -> None:
    assert get("reference-values")("", REFERENCE, split(completion)) == Judgment(first_error_step=first)


def test_the_final_answer_of_the_reference_counts_as_reached() -> None:
    assert get("reference-values")("", "1 + 1 = 2\n#### 1,800", split("900 * 2 = 1800")) == Judgment()


def test_noise_of_double_precision_is_no_other_value() -> None:
    judgment = get("reference-values")("", "<<3*0.1=0.3>>0.3", split("<<3*0.1=0.30000000000000004>>"))
    assert judgment == Judgment()


@pytest.mark.parametrize(
    ("name", "reference", "completion", "error"),
    [
        ("arithmetic", None, "", "no steps"),
        ("reference-values", REFERENCE, " \n", "no steps"),
        ("reference-values", None, "1+1=2", "no reference solution"),
        ("reference-values", "A: 18", "1+1=2", "the reference solution computes nothing"),
        ("reference-values", "", "1+1=2", "the reference solution computes nothing"),
    ],
)
def test_no_judgment_says_why(name: str, reference: str | None, completion: str, error: str) -> None:
    assert get(name)("", reference, split(completion)) == Judgment(error=error)


def test_unknown_name_lists_the_known_ones_and_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"'arithmetics' \(did you mean 'arithmetic'\?\); known: arithmetic, ref"):
        get("arithmetics")


MILLION = 1_000_000
HOSTILE = [
    "9**9**9**9=1",
    "<<__import__('os').system('true')=0>>",
    "<<" * MILLION,
    "<<1=1>>" * (MILLION // 20),
    "<<" + "9" * MILLION + "=1>>",
    "<<1/" + "9" * 150 + "=1>>",
    "1=" * (MILLION // 5),
    "1+1=" * (MILLION // 20),
    "1" * MILLION + "=1",
    "1+" * (MILLION // 2) + "1=2",
    "(" * MILLION + "1=1",
    "-" * MILLION + "=1",
    "1+1=" + "9" * MILLION,
    "1+1=2" + "," * MILLION,
    "1+1=2" + " x" * (MILLION // 2),
    ", " * (MILLION // 2),
    "1+1=3, " * (MILLION // 50),
    "\n" * MILLION,
    "A:\n" * (MILLION // 3),
    "the " * (MILLION // 4),
    "1e999999999=1",
    "١+١=٣",
    "\x00\ud800\u202e1+1=3",
    "<<1+1=1e999>>",
    "<<nan=inf>>",
]


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_gets_a_judgment(name: str, text: str) -> None:
    assert isinstance(get(name)("", REFERENCE, split(text)), Judgment)
    assert isinstance(get(name)("", text, split("1+1=3")), Judgment)


@pytest.mark.parametrize("name", sorted(RULES))
@given(text=st.text(alphabet="0123456789.,+-*/()x=<>% \nA:", max_size=80) | st.text(), reference=st.text())
def test_any_text_gets_a_judgment_about_its_own_steps(name: str, text: str, reference: str) -> None:
    steps = split(text)
    judgment = get(name)("", reference, steps)
    assert judgment.first_error_step is None or 1 <= judgment.first_error_step <= len(steps)


def test_published_wrong_solutions_get_graded() -> None:
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set: it names the folder with gsm8k/example_model_solutions.jsonl")
    judge = get("reference-values")
    found: Counter[tuple[bool, str]] = Counter()
    spread: Counter[str] = Counter()
    with (Path(folder) / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            scores = set()
            for model in MODELS:
                steps = split(row[model]["solution"])
                judgment = judge(row["question"], row["ground_truth"], steps)
                kind = "error" if judgment.error else "none" if judgment.first_error_step is None else "found"
                found[row[model]["is_correct"], kind] += 1
                scores.add(rts(judgment.first_error_step, len(steps)))
            if not any(row[model]["is_correct"] for model in MODELS):
                spread[("none", "one", "several")[min(len(scores - {None}), 2)]] += 1
    assert {kind: found[False, kind] for kind in ("found", "none", "error")} == {
        "found": 3063,
        "none": 175,
        "error": 37,
    }
    assert {kind: found[True, kind] for kind in ("found", "none", "error")} == {"found": 415, "none": 1575, "error": 11}
    assert spread == {"several": 316, "one": 110, "none": 6}
