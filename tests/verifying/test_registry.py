"""Verifiers by name, and what all of them promise: a verdict for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.verifying import get, names

MILLION = 1_000_000
IN_PROCESS: dict[str, tuple[dict[str, str], str]] = {  # verifier -> settings, an answer
    "exact": ({}, "18.5"),
    "gsm8k": ({}, "18.5"),
    "numeric": ({}, "18.5"),
    "multiple_choice": ({}, "C"),
    "regex": ({"pattern": r"([\d.]+)"}, "18.5"),
}
HOSTILE = [
    "9**9**9**9",
    "__import__('os').system('true')",
    "1e999999999",
    "-1e-999999999",
    "9" * MILLION,
    "0" * MILLION + "18",
    "0." + "3" * MILLION,
    "1/" + "0" * MILLION,
    "1/" * (MILLION // 2),
    "1," * (MILLION // 2),
    "1,111" * (MILLION // 5),
    "1e" * (MILLION // 2),
    "-" * MILLION,
    "$" * MILLION,
    "." * MILLION,
    " " * MILLION + "A:",
    "A:\n" * (MILLION // 3),
    "\n" * MILLION,
    "A: " + "9" * MILLION,
    "#" * MILLION,
    "A: 1e99999",
    "A: " + "1/" * (MILLION // 2),
    "A: 18" + " x" * (MILLION // 2),
    "١٨ ៩ ⅷ ½ 一",
    "\x00\ufeff\u202e18\ud800",
    "nan inf -inf NaN Infinity",
    "(" * MILLION,
]


@pytest.mark.parametrize("name", IN_PROCESS)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_gets_a_verdict(name: str, text: str) -> None:
    settings, answer = IN_PROCESS[name]
    assert get(name, settings)(text, answer).outcome in ("incorrect", "unparsable")
    assert get(name, settings)("nothing", text).outcome in ("incorrect", "unparsable", "error")


@pytest.mark.parametrize("name", ["math", "reasoning_gym"])
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_hostile_text_is_read_in_this_process_where_only_comparing_needs_a_worker(name: str, text: str) -> None:
    verifier = get(name)
    assert verifier.limits is not None
    extracted = verifier.extract(text)
    assert extracted is None or 0 < len(extracted) <= 100_000


@pytest.mark.parametrize("name", IN_PROCESS)
@given(completion=st.text(), answer=st.text())
def test_any_text_gets_a_verdict(name: str, completion: str, answer: str) -> None:
    assert get(name, IN_PROCESS[name][0])(completion, answer).outcome in ("correct", "incorrect", "unparsable", "error")


def test_unknown_name_lists_the_known_ones_and_a_guess() -> None:
    with pytest.raises(
        ConfigError, match=r"'gsmk8' \(did you mean 'gsm8k'\?\); known: code, command, coq, exact, gsm8k,"
    ):
        get("gsmk8")
    with pytest.raises(ConfigError, match=r"'zzz'; known: code, command, coq, exact"):
        get("zzz")


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"verifier exact: unknown setting cased; known: none"):
        get("exact", {"cased": True})


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *(("code", setting) for setting in ("time_limit", "total_seconds", "memory_mb")),
        *((name, setting) for name in ("coq", "lean") for setting in ("time_limit", "memory_mb")),
        *((name, setting) for name in ("command", "python") for setting in ("seconds", "memory_mb")),
    ],
)
@pytest.mark.parametrize("value", [1_000_001, 10**20])
def test_a_limit_beyond_all_use_is_refused(name: str, setting: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{setting}: Input should be less than or equal to 1000000, got {value}"):
        get(name, {setting: value, "command": "true", "entry_point": "operator:eq"})


@pytest.mark.parametrize("name", IN_PROCESS)
def test_each_verifier_has_its_own_name_and_runs_in_this_process(name: str) -> None:
    assert name in names()
    verifier = get(name, IN_PROCESS[name][0])
    assert (verifier.name, verifier.limits) == (name, None)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_gold_answer_is_correct(name: str) -> None:
    settings, answer = IN_PROCESS[name]
    verifier = get(name, settings)
    gold = verifier.gold(answer, None)
    assert gold is not None
    assert verifier(gold, answer).outcome == "correct"
