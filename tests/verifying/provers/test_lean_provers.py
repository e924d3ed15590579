"""The three provers' ends: what is kept between proofs, what is started anew, and replies that are none."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verifying import get
from curate.verifying.provers import lean_kimina
from curate.verifying.provers.lean_kimina import Kimina, read_reply
from curate.verifying.provers.lean_project import Project, read_lines
from curate.verifying.provers.lean_repl import Repl
from curate.verifying.provers.lean_reply import Message, axioms_of, judged, of_repl
from curate.verifying.provers.prover import Failure
from curate.verifying.workers.pool import Pool
from fake_lean import FakeKimina, put_lake, sessions

HEADER = "import Mathlib"


@pytest.fixture
def repl(tmp_path: Path) -> Repl:
    return Repl((str(put_lake(tmp_path)),), tmp_path, time_limit=30, memory_mb=200)


def pid(repl: Repl) -> int:
    assert repl._process
    return repl._process.pid


def test_a_header_is_read_once_and_its_process_lives_on(repl: Repl) -> None:
    assert repl(HEADER, "-- case ok\n#print axioms t") != []
    first = pid(repl)
    assert repl(HEADER, "-- case error") != []
    assert (pid(repl), repl._headers) == (first, {HEADER: 0})
    assert repl("import Aesop", "-- case ok") != []
    assert (pid(repl), list(repl._headers)) == (first, [HEADER, "import Aesop"])


def test_a_repl_that_has_grown_is_started_anew(repl: Repl) -> None:
    repl(HEADER, "-- case ok")
    first = pid(repl)
    assert repl(HEADER, "-- case ok -- grow 120") == repl(HEADER, "-- case ok")
    assert pid(repl) != first
    assert not Path(f"/proc/{first}").exists()
    assert repl._headers == {HEADER: 0}


def test_a_repl_that_has_died_between_two_proofs_is_started_anew(repl: Repl) -> None:
    first = repl(HEADER, "-- case ok")
    assert repl._process
    os.kill(pid(repl), signal.SIGKILL)
    os.waitid(os.P_PID, pid(repl), os.WEXITED | os.WNOWAIT)
    assert repl(HEADER, "-- case ok") == first
    assert repl._headers == {HEADER: 0}


def test_a_proof_that_makes_the_repl_swell_is_over_its_memory(repl: Repl) -> None:
    assert repl(HEADER, "-- case timeout -- grow 300") == Failure("incorrect", "memory_limit")
    assert repl._process is None
    assert isinstance(repl(HEADER, "-- case ok"), list)


def test_a_header_that_cannot_be_read_asks_no_proof(repl: Repl) -> None:
    found = repl("import Nowhere -- case unread_statement", "-- case ok")
    assert [message.severity for message in found if isinstance(message, Message)] == ["error"]
    assert repl._headers == {}
    assert repl("import Mathlib -- case crash", "-- case ok") == Failure(
        "error", "the header: prover crashed: exit status 139"
    )


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("echo '{'; echo; sleep 60", "the header: prover: its reply is no JSON"),
        ("echo '[]'; echo; sleep 60", "the header: prover: its reply is no JSON object"),
        ("echo '{}'; echo; sleep 60", "the header: prover: its reply holds neither messages nor an environment"),
        ("echo '{\"sorries\": [1]}'; echo; sleep 60", "the header: prover gave it no environment"),
        ("exit 3", "the header: prover crashed: exit status 3"),
        ("echo no toolchain >&2; exit 1", "the header: prover crashed: exit status 1: no toolchain"),
        ("kill -SEGV $$", "the header: prover crashed: exit status 139"),
    ],
)
def test_a_program_that_is_no_repl_is_an_error(tmp_path: Path, script: str, detail: str) -> None:
    program = tmp_path / "repl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    repl = Repl((str(program),), tmp_path, time_limit=5, memory_mb=500)
    assert repl(HEADER, "theorem t : True := trivial") == Failure("error", detail)
    repl.close()


def test_in_a_pool_a_worker_keeps_its_repl_and_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = put_lake(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = {"project": str(tmp_path), "repl": str(program), "form": "continuation"}
    limits = get("lean", settings).limits
    assert limits
    with Pool("lean", settings, limits, n_workers=1) as pool:
        first, alive = outcomes(pool, "ok", "error"), running(tmp_path)
        again = outcomes(pool, "ok_without_axioms", "weaker")
        assert (first, again) == (["correct", "incorrect"], ["correct", "incorrect"])
        assert alive == running(tmp_path) != []
        assert outcomes(pool, "crash", "sorry") == ["error", "incorrect"]
        assert running(tmp_path) != alive
    assert running(tmp_path) == []


def outcomes(pool: Pool, *cases: str) -> list[str]:
    pairs = [(f"  rfl; case_{case}", "theorem t : 1 = 1 := by\n") for case in cases]
    return [verdict.outcome for verdict, _ in pool.verdicts(pairs)]


def running(folder: Path) -> list[int]:
    """Return the processes whose command names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "cmdline").read_text(errors="replace"):
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def test_long_proofs_pass_the_pipes(repl: Repl) -> None:
    found = repl(HEADER, "-- case ok\n" + "-- a comment\n" * 100_000)
    assert isinstance(found, list)


def test_a_busy_server_is_asked_again_and_a_lost_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with FakeKimina(busy=2) as server:
        assert isinstance(Kimina(server.url, 5)(HEADER, "-- case ok"), list)
        assert len(server.bodies) == 3
        url = server.url
    lost = Kimina(url, 5)(HEADER, "-- case ok")
    assert lost == Failure("error", "lean server: [Errno 111] Connection refused")
    monkeypatch.setattr(lean_kimina, "PATIENCE_S", 0.0)
    with FakeKimina(busy=9) as server:
        assert Kimina(server.url, 5)(HEADER, "-- case ok") == Failure("error", "lean server: HTTP status 429")


@pytest.mark.parametrize("path", ["", "/", "/verify", "/verify/"])
def test_the_server_s_address_may_name_the_endpoint(path: str) -> None:
    with FakeKimina() as server:
        Kimina(server.url + path, 5)(HEADER, "-- case ok")
        assert server.paths == ["/verify"]


@pytest.mark.parametrize(
    "plain", [b"", b"null", b"{", b"[]", b"<html>", b'{"results": []}', b'{"results": [1]}', b'{"results": [{}]}']
)
def test_a_reply_of_the_server_that_cannot_be_read_is_an_error(plain: bytes) -> None:
    with FakeKimina(plain=plain) as server:
        reply = Kimina(server.url, 5)(HEADER, "x")
    assert isinstance(reply, Failure)
    assert reply.outcome == "error"


def test_a_proof_whose_messages_fill_the_reply_is_over_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_kimina, "MOST_BYTES", 50)
    with FakeKimina() as server:
        assert Kimina(server.url, 5)(HEADER, "-- case ok") == Failure("incorrect", "output_limit")


def test_a_server_keeps_no_environment_where_nothing_is_imported() -> None:
    with FakeKimina() as server:
        for header in (HEADER, "", "\n"):
            Kimina(server.url, 5)(header, "-- case ok")
    assert [body["disable_cache"] for body in server.bodies] == [False, True, True]


@pytest.mark.parametrize(
    ("result", "reply", "n_asked"),
    [
        ({"error": "Lean process timed out", "response": None}, Failure("incorrect", "time_limit"), 2),
        ({"error": "Lean REPL out of memory", "response": None}, Failure("incorrect", "memory_limit"), 2),
        ({"error": "Lean REPL command timed out in 60 seconds"}, Failure("incorrect", "time_limit"), 1),
        (
            {
                "error": None,
                "response": {"messages": [{"severity": "error", "data": "error decoding json response in leanrepl"}]},
            },
            Failure("error", "lean server: error decoding json response in leanrepl"),
            1,
        ),
        (
            {"response": {"messages": [{"severity": "error", "pos": {"line": 1, "column": 0}, "data": "x"}], "env": 0}},
            [Message("error", "x")],
            1,
        ),
    ],
)
def test_a_server_is_asked_again_where_it_leaves_open_what_was_too_dear(
    result: dict[str, object], reply: object, n_asked: int
) -> None:
    with FakeKimina(plain=orjson.dumps({"results": [{"custom_id": "proof", **result}]})) as server:
        assert Kimina(server.url, 5)(HEADER, "x") == reply
        assert len(server.bodies) == n_asked


@pytest.mark.parametrize(
    ("text", "axioms"),
    [
        ("'t' does not depend on any axioms", []),
        ("'t' depends on axioms: [propext]", ["propext"]),
        ("'A.b.t' depends on axioms: [propext,\n Classical.choice]", ["propext", "Classical.choice"]),
        ("'_private._stdin.0.t' does not depend on any axioms", []),
        ("'xt' depends on axioms: [propext]", None),
        ("'t' depends on axioms: [propext", None),
        ("'t' depends on axioms: [propext] and more", None),
        ("t does not depend on any axioms", None),
        ("", None),
    ],
)
def test_axioms_of(text: str, axioms: list[str] | None) -> None:
    assert axioms_of(text, "t") == axioms


def test_two_reports_are_none() -> None:
    report = Message("info", "'t' does not depend on any axioms")
    assert judged([report], "t") == ("correct", None)
    assert judged([Message("information", report.text)], "t") == ("correct", None)
    assert judged([Message("warning", report.text)], "t")[0] == "error"
    assert judged([report, report], "t")[0] == "error"
    assert judged([report, Message("error", " no\n goals ")], "t") == ("incorrect", "no goals")


def test_a_lean_that_cannot_report_axioms_says_nothing_of_the_proof() -> None:
    refused = Message("error", "cannot use `#print axioms` in a `module`; consider temporarily removing the header")
    assert judged([refused], "t") == ("error", f"prover: {refused.text}")
    assert judged([refused, Message("error", "unsolved goals")], "t") == ("incorrect", "unsolved goals")


ERROR = r'{"severity": "error", "data": "unsolved goals"}\n'
FILL = r'{"severity": "warning", "data": "' + "x" * 1000 + r'"}\n'
MANY = f"for i in 1 2 3 4 5 6 7 8 9; do for j in {' '.join('x' * 300)}; do printf '{FILL}'; done; done"  # 2.7 MB


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        (f"printf '{ERROR}'; {MANY}; exit 1", ("incorrect", "unsolved goals")),
        (f"{MANY}; printf '{ERROR}'; exit 1", ("incorrect", "unsolved goals")),
        (f"{MANY}; printf '{ERROR}'; {MANY}; exit 1", Failure("incorrect", "output_limit")),
        (f"{MANY}; kill -XFSZ $$", Failure("incorrect", "output_limit")),
        (f"{MANY}; exit 2", Failure("error", "prover crashed: exit status 2")),
        (
            f'{MANY}; printf \'%s\n\' \'{{"severity": "info", "data": "\'"\'t\' does not depend on any axioms"\'"}}\'',
            ("correct", None),
        ),
        (
            r"""printf '{"severity": "error", "data": "token \342\200\250 here"}\n'; exit 1""",
            ("incorrect", "token here"),
        ),
    ],
)
def test_a_proof_that_prints_too_much_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reply: object
) -> None:
    program = tmp_path / "lake"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = Project(tmp_path, 60, 500)(HEADER, "x")
    assert (found if isinstance(found, Failure) else judged(found, "t")) == reply


WORDS = st.sampled_from(
    ["severity", "data", "error", "info", "message", "messages", "sorries", "env", "results", "response", "custom_id"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_reply_is_read(reply: object) -> None:
    for found in (of_repl(reply), read_reply(reply)):
        assert isinstance(found, Failure) or judged(found, "t")[0] in ("incorrect", "error")


@given(st.sampled_from(sorted(sessions("kimina"))), st.data())
def test_a_recorded_reply_that_is_cut_or_spoilt_proves_nothing(case: str, data: st.DataObject) -> None:
    body = sessions("kimina")[case]["body"]
    whole = orjson.dumps(body)
    place = data.draw(st.integers(0, len(whole) - 1))
    spoilt = whole[:place] + data.draw(st.binary(max_size=2)) + whole[place + 1 :]
    try:
        reply = orjson.loads(spoilt)
    except ValueError:
        return
    found = read_reply(reply)
    if isinstance(found, list) and judged(found, "{theorem}")[0] == "correct":
        assert case in ("ok", "ok_without_axioms")


@given(
    st.lists(
        st.sampled_from(['{"severity": "error", "data": "x"}', "{", "{}", "warning: x", '{"severity": 1}', ""])
    ).map("\n".join)
)
def test_any_lines_of_lake_are_read(output: str) -> None:
    found = read_lines(output)
    if isinstance(found, list):
        assert {message.text for message in found} <= {"x"}
        assert len(found) == output.count('"error"')
