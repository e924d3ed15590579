"""``curate check`` holds the steps of a served judge against its replies and votes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.checking import Finding
from curate.contracts import contract
from curate.dataset import Dataset, TableRef
from curate.parts import read_part
from curate.serving import client
from curate.verbs.check_tables import mixed_steps
from fake_server import FakeServer
from judge_case import curate, good_judge, says, shown, wrong_groups
from stored import write_rows

FEEDBACK = TableRef("feedback", "fake")
GROUPS = [["2*3=6;4+6=10", "2*3=6;4*6=25", "2+3=5;5*4=20"], ["2*3=6;4+6=10", "2*3=7;4*7=28"]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "JITTER_S", 0.01)


def judged(root: Path, *options: object, chat: Any = good_judge, code: int = 0) -> Dataset:
    data = wrong_groups(root, GROUPS)
    with FakeServer(chat=chat, max_model_len=8192) as server:
        words = ("judge", root, "--server", server.url, "--model", "fake", "--split", "countdown", *options)
        curate(*words, code=code)
    return data


def rewritten(data: Dataset, ref: TableRef, change: Any) -> None:
    for name in data.parts(ref):
        rows = read_part(data.part(ref, name), contract(ref.table)).to_pylist()
        write_rows(data, ref, name, [change(row) for row in rows])


def found(data: Dataset) -> list[Finding]:
    return list(mixed_steps(data, []))


@pytest.mark.parametrize("votes", [1, 3])
def test_stored_steps_that_are_one_off_the_replies_are_named(tmp_path: Path, votes: int) -> None:
    data = judged(tmp_path, "--votes", votes)
    assert found(data) == []

    def from_zero(row: dict[str, Any]) -> dict[str, Any]:
        if row["first_error_step"] == 2 and row["group_id"] == 0:
            row |= {"first_error_step": 1, "rts": 0.0}
        return row

    rewritten(data, FEEDBACK, from_zero)
    (told,) = found(data)
    assert (told.fault, told.n, told.of, told.is_note) == ("mixed_step_base", 2, 5, False)
    assert "its votes and reply says: stored as 1, it is 2" in told.evidence


def test_a_judge_that_names_step_nought_counts_from_there(tmp_path: Path) -> None:
    def from_zero(body: dict[str, Any]) -> str:
        if "<problem" not in body["messages"][-1]["content"]:
            return says(None)
        _, steps = shown(body)
        return says(0 if steps[0].text == "2*3=7" else 1)

    data = judged(tmp_path, "--max-failed-share", 1, chat=from_zero)
    (told,) = found(data)
    assert (told.fault, told.n, told.of, told.is_note) == ("mixed_step_base", 1, 5, False)
    assert "replies name step 0" in told.evidence


def test_feedback_without_any_evidence_is_said_to_be_not_looked_at(tmp_path: Path) -> None:
    data = judged(tmp_path)
    rewritten(data, FEEDBACK, lambda row: row | {"reply": None, "votes": None})
    sentences: list[str] = []
    assert list(mixed_steps(data, sentences)) == []
    assert sentences == [
        "feedback/judge=fake: its first wrong steps: it has no votes, no replies and no rule to hold them against"
    ]
