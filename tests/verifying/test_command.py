"""`command`: a program that answers JSON lines, and everything it may answer instead."""

from __future__ import annotations

import contextlib
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying import Limits, get
from curate.verifying.command import Program
from curate.verifying.workers.pool import Pool

PROGRAM = """
import json, os, sys, time

def reply(line):
    sys.stdout.write(line)
    sys.stdout.flush()

for n, line in enumerate(sys.stdin):
    asked = json.loads(line)
    word, _, rest = asked["completion"].partition(" ")
    print("noise", file=sys.stderr)
    if word == "raw":
        reply(rest.replace("ID", str(asked["id"])) + "\\n")
    elif word == "exit":
        sys.exit(3)
    elif word == "last":
        reply(json.dumps({"id": asked["id"], "reward": 1}) + "\\n")
        sys.exit(0)
    elif word in ("twice", "shut"):
        reply(json.dumps({"id": asked["id"], "reward": 1}) + "\\n")
        time.sleep(0.2)
        reply("and more\\n") if word == "twice" else os.close(1)
    elif word == "hang":
        time.sleep(1000)
    elif word == "close":
        os.close(1)
        time.sleep(1000)
    elif word == "flood":
        while True:
            os.write(1, b"x" * 100_000)
    elif word == "n":
        reply(json.dumps({"id": asked["id"], "reward": 1, "detail": str(n)}) + "\\n")
    else:
        reply(json.dumps({"id": asked["id"], "reward": int(asked["completion"] == asked["answer"]), "extracted": "x"}) + "\\n")
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("command") / "program.py"
    path.write_text(PROGRAM)
    return [sys.executable, "-S", str(path)]


@pytest.fixture(scope="module")
def program(words: list[str]) -> Iterator[Program]:
    running = Program(words)
    yield running
    running._stop()


def test_it_is_asked_and_stays(program: Program) -> None:
    assert program.compare("4", "4") == Verdict("correct", "x")
    assert program.compare("5", "4") == Verdict("incorrect", "x")
    before = int(program.compare("n", "4").detail or "")
    assert program.compare("n", "4").detail == str(before + 1)


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        ("", "no JSON: ''"),
        ("{", "no JSON: '{'"),
        ("[1]", "no JSON object: '[1]'"),
        ('{"reward": 1}', "id None is not the question's"),
        ('{"id": -1, "reward": 1}', "id -1 is not the question's"),
        ('{"id": true, "reward": 1}', "id True is not the question's"),
        ('{"id": ID}', "give either outcome or reward"),
        ('{"id": ID, "reward": NaN}', "no JSON: "),
        ('{"id": ID, "reward": 0.5}', "0.5 is no reward"),
        ('{"id": ID, "reward": 1e999}', ""),
        ('{"id": ID, "outcome": "right"}', "'right' is no outcome"),
        ('{"id": ID, "outcome": "correct", "extracted": 4}', "extracted is no text but 4"),
        ('{"id": ID, "reward": 1, "score": 4}', "'score' is no field"),
        ("[" * 100_000, "no JSON: "),
    ],
)
def test_another_reply_is_an_error_with_the_reason(program: Program, reply: str, detail: str) -> None:
    verdict = program.compare(f"raw {reply}", "4")
    assert verdict.outcome == "error"
    assert (verdict.detail or "").startswith(detail)
    assert program.compare("4", "4").outcome == "correct"


def test_more_lines_than_one_are_an_error(program: Program) -> None:
    verdict = program.compare('raw {"id": ID, "reward": 1}\n{"id": ID, "reward": 1}', "4")
    assert verdict.outcome == "error"
    assert (verdict.detail or "").startswith("more than one line")
    assert program.compare("4", "4").outcome == "correct"


@pytest.mark.parametrize("word", ["twice", "shut"])
def test_what_comes_after_a_reply_is_not_charged_to_the_next_pair(program: Program, word: str) -> None:
    assert program.compare(f"{word} later", "4").outcome == "correct"
    assert program._process
    assert program._process.stdout
    select.select([program._process.stdout], [], [], 10)
    assert program.compare("n", "4") == Verdict("correct", detail="0")  # asked of a new process


@pytest.mark.parametrize(
    ("word", "detail"),
    [
        ("exit", "the program ended: exit status 3"),
        ("close", "the program ended: it closed its output"),
        ("flood", "a reply of more than 1,048,576 bytes"),
    ],
)
def test_a_program_that_ends_or_floods_is_an_error_and_started_again(program: Program, word: str, detail: str) -> None:
    assert program.compare(word, "4") == Verdict("error", detail=detail)
    assert program.compare("n", "4").detail == "0"


def test_a_program_that_ends_after_its_reply_is_started_again(program: Program) -> None:
    assert program.compare("last", "4").outcome == "correct"
    assert program._process
    program._process.wait()
    assert program.compare("4", "4").outcome == "correct"


def test_long_texts_pass_whole(program: Program) -> None:
    assert program.compare("a" * 3_000_000, "a" * 3_000_000).outcome == "correct"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.text(),
        st.binary().map(lambda raw: raw.decode("latin-1")),
        st.dictionaries(
            st.sampled_from(["reward", "outcome", "detail", "extracted"]), st.text() | st.integers(0, 2)
        ).map(lambda fields: orjson.dumps(fields).decode().replace("{", '{"id": ID,', 1)),
    )
)
def test_whatever_a_program_replies_it_is_one_verdict(program: Program, reply: str) -> None:
    text = reply.replace("\n", " ").replace("\r", " ")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = ""
    assert program.compare(f"raw {text}", "4").outcome in ("correct", "incorrect", "unparsable", "timeout", "error")


def test_a_program_that_hangs_is_a_timeout_in_the_pool_and_dies(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    with Pool("command", {"command": f"{sys.executable} -S {path}"}, Limits(1, 300), 1) as pool:
        found = [v.outcome for v, _ in pool.verdicts([("4", "4"), ("hang", "4"), ("n", "4"), ("n 2", "4")])]
        assert running(path)
    assert found == ["correct", "timeout", "correct", "correct"]
    assert not running(path)


def running(path: Path) -> list[str]:
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(line.read_text(errors="replace"))
    return [line for line in found if str(path) in line]


@pytest.mark.parametrize(
    ("line", "message"),
    [("", "no program ''"), ("no-such-program -x", "no program 'no-such-program'"), ("'open", "No closing quotation")],
)
def test_what_cannot_be_run_is_refused(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get("command", {"command": line})


def test_a_program_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    assert get("command", {"command": str(path)})("4", "4").outcome == "error"
