"""``curate judge --reparse``: kept replies by today's parser, without asking again."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.dataset import Dataset
from curate.judging import replies
from curate.verbs.check import find_problems
from fake_server import FakeServer
from judge_case import RIGHT, WRONG, curate, feedback, good_judge, nonsense, wrong_groups


def judged(root: Path, judge: object = good_judge, *more: object, code: int = 0) -> Dataset:
    data = wrong_groups(root, [WRONG[:3], [RIGHT, WRONG[0]], WRONG[2:]], parts=2)
    with FakeServer(chat=judge, max_model_len=8192) as server:  # type: ignore[arg-type]
        curate("judge", root, "--server", server.url, "--model", "fake", "--split", "countdown", *more, code=code)
    return data


def contents(data: Dataset) -> list[bytes]:
    return [path.read_bytes() for path in sorted((data.root / "feedback").rglob("*.parquet"))]


@pytest.mark.parametrize("votes", [1, 3])
def test_the_same_parser_changes_nothing(tmp_path: Path, votes: int) -> None:
    data = judged(tmp_path, good_judge, "--votes", votes)
    before = contents(data)
    assert "6 kept replies read again, 0 rows changed" in curate("judge", tmp_path, "--reparse")
    assert contents(data) == before


def test_a_better_parser_gains_judgments_and_later_steps_become_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judged(tmp_path, nonsense, code=1)
    curate("reweight", tmp_path, "--recipe", "spectral_grpo", code=0)

    def read_dolor(reply: str, first: int, last: int, *_: object) -> replies.Verdict | None:
        return replies.Verdict(1, {}) if "dolor" in reply else None

    monkeypatch.setattr(replies, "read_verdict", read_dolor)
    said = curate("judge", tmp_path, "--reparse", "--model", "fake")
    assert "6 kept replies read again, 6 rows changed (6 judgments gained, 0 lost); 0 failed" in said
    assert feedback(data, "fake", "error") == [None] * 3 + ["out_of_scope"] * 2 + [None] * 3
    assert feedback(data, "fake", "first_error_step") == [1, 1, 1, None, None, 1, 1, 1]
    assert find_problems(data) == [] or all("stale" in str(problem) for problem in find_problems(data))
    assert "stale" in curate("reweight", tmp_path, "--recipe", "spectral_grpo", code=2)


def test_a_worse_parser_loses_them_and_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = judged(tmp_path)
    monkeypatch.setattr(replies, "read_verdict", lambda *_: None)
    said = curate("judge", tmp_path, "--reparse", "--as", "fake", code=1)
    assert "unreadable_reply 6" in said
    assert feedback(data, "fake", "rts") == [None] * 8
    monkeypatch.undo()
    assert "6 judgments gained" in curate("judge", tmp_path, "--reparse")
    assert feedback(data, "fake", "first_error_step") == [1, 2, 2, None, None, 2, 1, None]


def test_of_several_served_judges_one_has_to_be_named(tmp_path: Path) -> None:
    judged(tmp_path)
    curate("judge", tmp_path, "--rule", "countdown")
    assert "6 kept replies read again" in curate("judge", tmp_path, "--reparse")  # the rule has none
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        curate("judge", tmp_path, "--server", server.url, "--model", "fake", "--as", "other")
    said = curate("judge", tmp_path, "--reparse", code=2)
    assert "choose one with --as fake or other" in said


def test_a_rule_has_no_replies(tmp_path: Path) -> None:
    wrong_groups(tmp_path, [WRONG[:2]])
    curate("judge", tmp_path, "--rule", "countdown")
    assert "no replies to read again" in curate("judge", tmp_path, "--reparse", code=2)


def test_other_steps_than_were_judged_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.tasks import moves

    data = judged(tmp_path)
    before = contents(data)
    monkeypatch.setattr(moves, "split", lambda completion: [moves.Step(completion, 0)])
    assert "cut into other steps" in curate("judge", tmp_path, "--reparse", code=2)
    assert contents(data) == before
