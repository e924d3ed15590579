"""``curate judge --server``: a served step judge, end to end against a server on loopback."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from curate.judging.replies import unpack
from curate.judging.served import prompt_hash
from curate.serving import client
from curate.verbs import sample_progress
from curate.verbs.check import find_problems
from curate.verbs.judge_served import judge_name
from fake_server import FakeServer
from judge_case import FIRST_WRONG, RIGHT, WRONG, curate, feedback, good_judge, nonsense, says, shown, wrong_groups
from stored import PROMPTS, SAMPLES, write_rows

GROUPS = [WRONG[:3], [RIGHT, WRONG[0]], [WRONG[4], WRONG[3], WRONG[3], "2*3=6;4*6=25"]]


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(client, "JITTER_S", 0.01)


def words(data: Any, server: FakeServer, *more: object) -> list[object]:
    return ["judge", data.root, "--server", server.url, "--model", "fake", "--split", "countdown", *more]


def test_a_good_judge_agrees_with_the_exact_rule(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, GROUPS)
    curate("judge", tmp_path, "--rule", "countdown")
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        said = curate(*words(data, server))
        assert "judged 7 completions, no error found in 1 of them; 0 failed" in said
        assert "6 requests answered" in said
        assert "9 rows in, 9 out, 2 dropped (out_of_scope 2)" in said
        assert server.n_requests == 1 + 3 + 3  # the probe, and every distinct completion of a group once
    columns = ("n_steps", "first_error_step", "rts", "step_offsets", "error", "votes", "judge_scores")
    assert feedback(data, "fake", *columns) == feedback(data, "countdown", *columns)
    assert feedback(data, "fake", "first_error_step") == [1, 2, 2, None, None, None, 1, 1, 2]
    hashes = feedback(data, "fake", "prompt_hash")
    assert hashes == [prompt_hash()] * 3 + [None] * 2 + [prompt_hash()] * 4
    assert feedback(data, "fake", "reply")[0] == says(1)
    assert find_problems(data) == []
    assert "nothing to do" in curate(*words(data, server))  # without a server
    curate("reweight", tmp_path, "--recipe", "spectral_grpo", "--judge", "fake")


def test_a_judge_of_nonsense_ends_as_null_with_its_reason(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, GROUPS)
    with FakeServer(chat=nonsense, max_model_len=8192) as server:
        said = curate(*words(data, server), code=1)
    assert "judged 0 completions" in said
    assert "7 failed (unreadable_reply 7)" in said
    assert "--max-failed-share" in said
    assert "--reparse" in said
    errors = feedback(data, "fake", "error")
    assert errors == ["unreadable_reply"] * 3 + ["out_of_scope"] * 2 + ["unreadable_reply"] * 4
    assert [feedback(data, "fake", name) for name in ("rts", "first_error_step", "n_steps")] == [[None] * 9] * 3
    kept = unpack(feedback(data, "fake", "reply")[0], 2)
    assert [reply.text for reply in kept] == [nonsense({})] * 2
    assert find_problems(data) == []


def test_votes_scores_and_a_server_without_schemas(tmp_path: Path) -> None:
    def judge(body: dict[str, Any]) -> str:
        assert "response_format" not in body
        if "seed" not in body:
            return "{}"
        _, steps = shown(body)
        vote = body["seed"] % 3
        found = says(None if vote == 0 else len(steps))
        return found[:-1] + f', "scores": {{"clarity": {vote}, "rigor": "high"}}}}'

    data = wrong_groups(tmp_path, [WRONG[:2]])
    with FakeServer(chat=judge, guided=False, max_model_len=8192) as server:
        curate(*words(data, server, "--votes", 3, "--score", "clarity", "--score", "rigor", "--as", "v3"))
    votes = feedback(data, "v3", "votes")
    assert [sorted(each, key=str) for each in votes] == [[2, 2, None]] * 2
    assert feedback(data, "v3", "first_error_step") == [2, 2]
    scores = feedback(data, "v3", "judge_scores")
    assert scores == [{"clarity": 1.0, "rigor": None}] * 2
    assert find_problems(data) == []


def test_scope_truncated_and_missing_texts(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [[RIGHT, WRONG[0], WRONG[1], "no idea"]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        curate(*words(data, server, "--scope", "all", "--as", "all"))
        assert feedback(data, "all", "error") == ["out_of_scope", None, None, "unparsable"]
    rows = data.scan("samples").collect().to_dicts()
    rows[1]["finish_reason"] = "length"
    other = tmp_path / "other"
    cut = wrong_groups(other, [[WRONG[0]]])
    write_rows(
        cut,
        SAMPLES,
        "part-00000.parquet",
        [row | {"completion": None} if i == 2 else row for i, row in enumerate(rows[1:])],
    )
    curate("verify", other, "--verifier", "countdown", "--overwrite", "--max-failed-share", 1)
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        curate(*words(cut, server))
        assert feedback(cut, "fake", "error") == ["truncated", None, "out_of_scope"]


def test_a_prompt_of_ids_alone_is_not_asked_about(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [[WRONG[0]]])
    write_rows(
        data,
        PROMPTS,
        "part-00000.parquet",
        [{"prompt_id": "p", "prompt_ids": [1], "prompt_format": "text", "answer": "2 3 4:24", "source": "t"}],
    )
    curate("verify", tmp_path, "--verifier", "countdown", "--overwrite")
    with FakeServer(chat=good_judge) as server:
        assert "no prompt text 1" in curate(*words(data, server))


def test_what_does_not_fit_is_too_long(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [[WRONG[0]]])
    with FakeServer(chat=good_judge) as server:
        said = curate(*words(data, server, "--context", 256), code=1)
    assert "too_long 1" in said
    assert "the judge's context (256 tokens, of which --max-reply-tokens 1024 are for the reply): lower that" in said
    assert feedback(data, "fake", "error") == ["too_long"]


def test_failures_that_may_pass_leave_the_part_for_the_next_run(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [[text] for text in WRONG])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        server.faults, server.spared = {"500": 1.0}, 3
        said = curate(*words(data, server, "--max-requests", 1), code=1)
        assert "server_error 3" in said
        assert "asks only for the rest" in said
        assert not list((tmp_path / "feedback").rglob("*.parquet"))
        server.faults = {}
        n_before = server.n_requests
        curate(*words(data, server))
        assert server.n_requests == n_before + 1 + 3
    assert feedback(data, "fake", "first_error_step") == list(FIRST_WRONG.values())
    assert find_problems(data) == []


def test_few_failures_that_may_pass_are_rows_with_their_reason(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:3], WRONG[2:]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        server.faults, server.spared = {"500": 1.0}, 6
        said = curate(*words(data, server, "--max-requests", 1, "--max-failed-share", 0.2))
        assert "1 failed (server_error 1)" in said
    assert sorted(feedback(data, "fake", "error"), key=str) == [None] * 5 + ["server_error"]
    assert feedback(data, "fake", "group_id", "sample_index") == [(g, i) for g in (0, 1) for i in range(3)]
    (listing,) = (tmp_path / ".curate/rejects").rglob("*.jsonl")
    assert json.loads(listing.read_text())["reason"] == "server_error"


def test_the_cost_is_told_where_there_are_prices(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:1]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        said = curate(*words(data, server, "--price-in", 1e6, "--price-out", 0))
    assert re.search(r"\$[1-9][0-9,]*\.00", said)


def test_what_was_asked_again_is_told(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:1]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        server._fault = lambda: "500" if server.n_requests == 2 else None  # type: ignore[method-assign]
        said = curate(*words(data, server))
    assert "of replies, 1 (http_500 1) asked again" in said


def test_the_bar_is_over_the_groups_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []

    def progress(total: int, verb: str, **_: Any) -> Any:
        drawn.append(tqdm(total=total, desc=verb, file=StringIO()))
        return drawn[-1]

    monkeypatch.setattr("curate.stage.progress", progress)
    monkeypatch.setattr(sample_progress, "TICK_S", 0.001)
    data = wrong_groups(tmp_path, [WRONG[:3], [RIGHT, WRONG[0]], [*WRONG[:2], "2*3=6;4*6=25"]])
    with FakeServer(chat=good_judge, max_model_len=8192, delay_s=0.1) as server:
        server.refuse = lambda body: "not this one" if "4+6=10" in str(body) else None
        curate(*words(data, server), code=1)
    bar = next(each for each in drawn if each.desc.startswith("judge"))
    assert (bar.n, bar.total) == (3, 3)
    assert re.search(r"[0-9]+ tokens/s, [0-9]+/256 in flight", bar.postfix)


def test_a_refused_judgment_is_final(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:3]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        server.refuse = lambda body: "not this one" if "4+6=10" in str(body) else None
        said = curate(*words(data, server), code=1)
    assert "refused 1" in said
    assert feedback(data, "fake", "error") == [None, "refused", None]


def test_a_server_that_is_away_stops_the_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [[text] for text in WRONG])
    server = FakeServer(chat=good_judge, max_model_len=8192)
    with server:

        def judge(body: dict[str, Any]) -> str:
            if server.n_requests > 3:
                server._loop.call_soon(lambda: server._loop.create_task(server._stop()))
            return good_judge(body)

        server.chat = judge
        curate(*words(data, server, "--max-requests", 1, "--patience-s", 0.5), code=1)
        server.chat = good_judge
        server.start()
        curate(*words(data, server))
    assert feedback(data, "fake", "first_error_step") == list(FIRST_WRONG.values())


def test_other_parameters_are_refused_and_another_url_is_not(tmp_path: Path) -> None:
    data = wrong_groups(tmp_path, [WRONG[:2]])
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        curate(*words(data, server))
        assert "votes" in curate(*words(data, server, "--votes", 3), code=2)
    with FakeServer(chat=good_judge, max_model_len=8192) as server:
        assert "nothing to do" in curate(*words(data, server))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "rule"),
        (("--rule", "arithmetic", "--server", "http://x", "--model", "m"), "either rule"),
        (("--server", "http://x"), "--model M"),
        (("--rule", "arithmetic", "--score", "clarity"), "served judge"),
        (("--rule", "arithmetic", "--votes", "3"), "served judge"),
        (("--rule", "arithmetic", "--split", "lines"), "served judge"),
        (("--rule", "arithmetic", "--context", "4096"), "served judge"),
        (("--rule", "arithmetic", "--max-reply-tokens", "64"), "served judge"),
        (("--server", "http://x", "--model", "m", "--split", "number"), "did you mean 'numbered'"),
        (("--server", "http://x", "--model", "m", "--score", "Clear!"), "cannot name a score"),
        (("--server", "http://x", "--model", "m", "--score", "a", "--score", "a"), "each name once"),
        (
            ("--server", "http://x", "--model", "m", "--task", "strategies", "--scope", "all_wrong"),
            "leave --scope away",
        ),
        (("--server", "nowhere", "--model", "m"), "nowhere"),
        (("--server", "http://x", "--model", "m", "--timeout-s", "0"), "timeout_s"),
        (("--server", "http://x", "--model", "m", "--api-key-env", "NO_SUCH_NAME"), "NO_SUCH_NAME"),
        (("--reparse", "--rule", "arithmetic"), "--reparse"),
        (("--reparse",), "has no feedback"),
    ],
)
def test_wrong_commands(tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    wrong_groups(tmp_path, [WRONG[:2]])
    assert problem in curate("judge", tmp_path, *options, code=2)
    assert not (tmp_path / "feedback").exists()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("/models/My Judge/", "my-judge"),
        ("4o", "judge-4o"),
        ("é", "judge-"),
        ("m" * 200, "m" * 100),
    ],
)
def test_the_name_of_a_variant(model: str, name: str) -> None:
    assert judge_name(model) == name
