"""Duplicates, texts, steps and gold answers; and how a finding reads."""

from __future__ import annotations

from pathlib import Path

from curate.checking import FAULTS, Finding
from curate.checking.decoding import reads_alike
from curate.checking.duplicates import duplicated_groups
from curate.checking.gold import failing_gold, failing_references
from curate.checking.steps import Judged, mixed_steps, zero_steps


def test_a_finding_says_what_where_how_often_and_what_to_do() -> None:
    found = Finding("ids_not_text", "samples", "ids are odd", 1_200, 3_000, "samples", "group_id=1", "Do it.")
    assert str(found) == "ids_not_text in samples: ids are odd (1,200 of 3,000 samples, first group_id=1). Do it."


def test_groups_are_twins_where_completions_and_prompt_are_the_same() -> None:
    rows = [(77, 4, "p"), (77, 9, "q"), (77, 2, "q"), (78, 5, "p"), (78, 6, "r")]
    found = duplicated_groups(rows, {"p": "say 1", "q": "say 1", "r": "say 2"}, 10)
    assert found is not None
    assert (found.n, found.of, found.first) == (2, 10, "group_id=4 repeats 2")
    assert duplicated_groups(rows[3:], {"p": "say 1", "r": "say 2"}, 10) is None
    assert duplicated_groups([(78, 5, "p"), (78, 6, "p")], {}, 10) is not None  # no prompts: their ids tell


def test_what_a_tokenizer_or_a_stop_string_takes_is_no_other_text() -> None:
    assert reads_alike("5+9=14 ", "5+9=14")
    assert reads_alike("so 5 \ufffd", "so 5")
    assert reads_alike("the end</answer>", "the end")
    assert not reads_alike("the end" + 40 * "!", "the end")
    assert not reads_alike("5+9=14", "6+9=15")
    assert not reads_alike("", "6+9=15")
    assert not reads_alike("6+9=15", "")


def test_a_step_one_off_its_evidence_is_counted_from_elsewhere() -> None:
    rows = [Judged("a", 2, 2), Judged("b", 1, 2), Judged("c", None, 1), Judged("d", 5, 2), Judged("e", 4, None)]
    found = mixed_steps("feedback", rows, "what its reply says")
    assert found is not None
    assert (found.n, found.of, found.first) == (1, 5, "b")
    assert "stored as 1, it is 2" in found.evidence
    assert mixed_steps("feedback", [rows[0], *rows[2:]], "its reply") is None


def test_replies_that_name_step_nought_are_a_fault_from_one_in_twenty_on() -> None:
    assert zero_steps("feedback", [], 100) is None
    few, many = zero_steps("feedback", ["a"] * 4, 100), zero_steps("feedback", ["a"] * 5, 100)
    assert few is not None
    assert many is not None
    assert (few.is_note, many.is_note) == (True, False)


def test_a_reference_that_states_another_answer_shows_where_most_state_theirs() -> None:
    def outcome(text: str, answer: str) -> str:
        return "correct" if text == f"#### {answer}" else "incorrect" if "####" in text else "unparsable"

    prompts = [("a", "1", "#### 1"), ("b", "2", "#### 2"), ("c", "3", "#### 4"), ("d", "5", "five"), ("e", "6", None)]
    failed, is_sure = failing_references([*prompts, ("f", "7", "#### 7")], outcome)
    assert (list(failed), is_sure) == (["c"], False)  # three of four that state an answer state theirs
    more = [(str(place), "8", "#### 8") for place in range(17)]
    assert failing_references([*prompts, *more], outcome)[1]  # 19 of 20
    assert not failing_references([*prompts, *more[1:]], outcome)[1]  # 18 of 19
    assert failing_references(prompts[2:], outcome) == ({}, False)
    assert failing_gold("verdicts", {}, 5) is None
    found = failing_gold("verdicts", {"c": "incorrect"}, 5)
    assert found is not None
    assert (found.n, found.of, found.first, found.is_note) == (1, 5, "prompt_id=c", False)
    note = failing_gold("verdicts", {"c": "incorrect"}, 5, is_note=True)
    assert note is not None
    assert note.is_note
    assert "may not accept" in note.evidence


def test_the_documentation_has_every_fault() -> None:
    text = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    rows = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| `")
    }
    assert set(rows) == {f"`{name}`" for name in FAULTS}
