"""Read the tests that a code prompt's answer holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TestSet:
    """Tests of one prompt: stdin/stdout pairs, or the source of test code; never both.

    ``time_limit`` (seconds) and ``memory_mb`` are the prompt's own, null where it states none. ``tolerance`` is the
    relative and absolute error allowed to numbers of the output, null for exact text. ``entry_point`` is the function that
    test code tests, null where the answer does not name it.
    """

    pairs: list[tuple[str, str]]
    source: str | None
    time_limit: float | None
    memory_mb: int | None
    tolerance: float | None
    entry_point: str | None = None


class NoTestsError(ValueError):
    """An answer that holds no tests this verifier can run; the message says what it is."""


def read_test_set(answer: str) -> TestSet:
    """Read an answer's JSON; raises NoTestsError with the reason.

    ``{"stdin_tests": [{"input": ..., "output": ...}]}``, a bare list of such objects and ``{"inputs": [...], "outputs": [...]}`` are
    stdin/stdout tests. ``{"tests": SOURCE}`` with an optional ``setup`` and ``entry_point``, ``{"test_list": [...]}`` with an
    optional ``test_setup_code``, a bare list of lines and ``{"test": SOURCE, "entry_point": NAME}`` are test code.
    """
    try:
        stated = json.loads(answer)
    except (ValueError, RecursionError):
        raise NoTestsError("is no test set: not JSON") from None
    if isinstance(stated, list) and stated:
        stated = {"test_list" if isinstance(stated[0], str) else "stdin_tests": stated}
    if not isinstance(stated, dict):
        raise NoTestsError("is no test set: no JSON object")
    if stated.get("fn_name"):
        raise NoTestsError("calls a function (fn_name) with inputs: write it as assert tests")
    pairs, source = _pairs(stated), _source(stated)
    if bool(pairs) == bool(source):
        raise NoTestsError("is no test set: it holds " + ("both kinds of tests" if pairs else "no tests"))
    return TestSet(
        pairs,
        source,
        _positive(stated, "time_limit"),
        None if (mb := _positive(stated, "memory_mb")) is None else int(mb),
        _positive(stated, "tolerance"),
        stated.get("entry_point") if source else None,
    )


def _pairs(stated: dict[str, Any]) -> list[tuple[str, str]]:
    if "inputs" in stated or "outputs" in stated:
        given, wanted = stated.get("inputs"), stated.get("outputs")
        if not isinstance(given, list) or not isinstance(wanted, list) or len(given) != len(wanted):
            raise NoTestsError("is no test set: inputs and outputs are not two lists of one length")
    else:
        tests = stated.get("stdin_tests", [])
        if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
            raise NoTestsError("is no test set: stdin_tests is no list of objects")
        if any(test.get("testtype", "stdin") != "stdin" for test in tests):
            raise NoTestsError("calls a function (testtype) with inputs: write it as assert tests")
        given, wanted = [test.get("input") for test in tests], [test.get("output") for test in tests]
    if not all(isinstance(text, str) for text in (*given, *wanted)):
        raise NoTestsError("is no test set: an input or output is no text")
    return list(zip(given, wanted, strict=True))


def _source(stated: dict[str, Any]) -> str | None:
    tests = stated.get("tests", stated.get("test_list", stated.get("test")))
    if tests is None:
        return None
    lines = tests if isinstance(tests, list) else [tests]
    setup, entry = stated.get("setup", stated.get("test_setup_code")) or "", stated.get("entry_point")
    if not all(isinstance(line, str) for line in (*lines, setup, entry or "")):
        raise NoTestsError("is no test set: its tests are no text")
    source = "\n".join([setup, *lines])
    return f"{source}\n\ncheck({entry})\n" if entry and "def check(" in source else source


def _positive(stated: dict[str, Any], key: str) -> float | None:
    value = stated.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise NoTestsError(f"states {key} {value!r}, no positive number"[:200])
    return float(value)
