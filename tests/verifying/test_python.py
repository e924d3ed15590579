"""`python`: what a function of the user's own returns, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import get
from curate.verifying.python import OUTCOMES, verdict_of
from curate.verifying.verifier import Limits


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        (True, Verdict("correct")),
        (False, Verdict("incorrect")),
        (1, Verdict("correct")),
        (0.0, Verdict("incorrect")),
        (np.True_, Verdict("correct")),
        ({"reward": np.float32(0)}, Verdict("incorrect")),
        (None, Verdict("unparsable")),
        ("timeout", Verdict("timeout")),
        (Verdict("incorrect", "4", "off by one"), Verdict("incorrect", "4", "off by one")),
        ({"outcome": "unparsable", "detail": "no box"}, Verdict("unparsable", None, "no box")),
        ({"reward": 1.0, "extracted": "4"}, Verdict("correct", "4")),
        ({"outcome": "error", "extracted": None}, Verdict("error")),
        (0.5, Verdict("error", detail="0.5 is no reward")),
        (float("nan"), Verdict("error", detail="nan is no reward")),
        (float("inf"), Verdict("error", detail="inf is no reward")),
        (2, Verdict("error", detail="2 is no reward")),
        ("right", Verdict("error", detail="'right' is no outcome")),
        ([1], Verdict("error", detail="'list' is no verdict")),
        ({}, Verdict("error", detail="give either outcome or reward")),
        ({"reward": 1, "outcome": "correct"}, Verdict("error", detail="give either outcome or reward")),
        ({"reward": "1"}, Verdict("error", detail="'1' is no reward")),
        ({"reward": None}, Verdict("error", detail="None is no reward")),
        ({"reward": {"reward": 1}}, Verdict("error", detail="{'reward': 1} is no reward")),
        ({"reward": Verdict("correct")}, Verdict("error", detail=f"{Verdict('correct')!r:.100} is no reward")),
        ({"outcome": {"outcome": "correct"}}, Verdict("error", detail="{'outcome': 'correct'} is no outcome")),
        ({"outcome": 1}, Verdict("error", detail="1 is no outcome")),
        ({"reward": 1, "extracted": 4}, Verdict("error", detail="extracted is no text but 4")),
        ({"reward": 1, "detail": ["x"]}, Verdict("error", detail="detail is no text but ['x']")),
        ({"reward": 1, "score": 2}, Verdict("error", detail="'score' is no field")),
    ],
    ids=repr,
)
def test_what_is_returned_is_one_verdict_or_an_error(returned: Any, verdict: Verdict) -> None:
    assert verdict_of(returned) == verdict


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["outcome", "reward", "detail", "x"]), inner),
    max_leaves=5,
)


@given(ANYTHING)
def test_anything_at_all_gives_a_verdict(returned: Any) -> None:
    assert verdict_of(returned).outcome in OUTCOMES


def test_a_function_in_a_file_or_a_module_is_called_with_both_texts(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def same(completion, answer):\n    return completion.strip() == answer\n")
    verifier = get("python", {"entry_point": f"{path}:same", "seconds": 3, "memory_mb": 100})
    assert verifier(" 4\n", "4") == Verdict("correct")
    assert verifier("5", "4") == Verdict("incorrect")
    assert verifier.limits == Limits(3, 100)
    assert get("python", {"entry_point": "operator:eq"})("4", "4") == Verdict("correct")


def test_without_a_completion_nothing_is_called() -> None:
    assert get("python", {"entry_point": "operator:eq"}).compare(None, "4") == Verdict("unparsable")


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_colon", "write package.module:function or path/to/file.py:function"),
        ("operator:no_such", "operator has no function no_such"),
        ("operator:__name__", "operator has no function __name__"),
        ("no_such_module:f", "importing no_such_module raised ModuleNotFoundError"),
        ("missing.py:f", "there is no file missing.py"),
        (":f", "write package.module:function"),
    ],
)
def test_what_is_no_function_is_refused(entry_point: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get("python", {"entry_point": entry_point})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("raise SystemExit", "raised SystemExit: $"),
        ("import sys; sys.exit(0)", "raised SystemExit: 0"),
        ("import sys; sys.exit('no model')", "raised SystemExit: no model"),
    ],
)
def test_a_file_that_raises_or_ends_the_process_is_refused(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "ends.py").write_text(source)
    with pytest.raises(ConfigError, match=message):
        get("python", {"entry_point": f"{tmp_path / 'ends.py'}:judge"})


CLASSES = """
from __future__ import annotations
import pickle
from dataclasses import dataclass

@dataclass
class Asked:
    completion: str
    answer: str

def judge(completion, answer):
    asked = pickle.loads(pickle.dumps(Asked(completion, answer)))
    return asked.completion == asked.answer
"""


def test_the_classes_of_a_file_are_found_by_their_module(tmp_path: Path) -> None:
    (tmp_path / "classes.py").write_text(CLASSES)
    assert get("python", {"entry_point": f"{tmp_path / 'classes.py'}:judge"})("4", "4") == Verdict("correct")
