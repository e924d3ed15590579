"""The worker's protocol: whatever either side sends, nobody crashes, hangs or takes one pair's verdict for another's."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from itertools import count

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.records import Verdict
from curate.verifying.workers.process import Ask, Garbage, Worker, read_reply
from curate.verifying.workers.worker import BORN, OUTCOMES, RETIRED, judged

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**53)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
REPLY = st.tuples(
    st.sampled_from([7, 8, "7", None, True, 7.0]), st.sampled_from([*OUTCOMES, "right", None, 1]), JSON, JSON, JSON
)


def test_a_reply_is_read() -> None:
    assert read_reply(b'[7,"correct",null,0.5]', 7, "x") == (0.5, Verdict("correct", "x"))
    assert read_reply(b'[7,"error","why",0,null]', 7, "x") == (0, Verdict("error", None, "why"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b"[7]",
        b'[8,"correct",null,0.5]',
        b'[true,"correct",null,0.5]',
        b'[7,"right",null,0.5]',
        b'[7,["correct"],null,0.5]',
        b'[7,"correct",1,0.5]',
        b'[7,"correct",null,-1]',
        b'[7,"correct",null,true]',
        b'[7,"correct",null,NaN]',
        b'[7,"correct",null,null]',
        b'[7,"correct",null,0.5,7]',
        b'[7,"correct",null,0.5,null,null]',
        b'[7,"correct",null,0.5',
        b"[" * 5000,
        b"\xff",
    ],
)
def test_anything_else_is_garbage(line: bytes) -> None:
    with pytest.raises(Garbage):
        read_reply(line, 7, None)


@given(st.binary() | JSON.map(orjson.dumps) | REPLY.map(orjson.dumps))
def test_any_bytes_are_a_reply_or_garbage(line: bytes) -> None:
    try:
        seconds, verdict = read_reply(line, 7, "x")
    except Garbage:
        return
    assert orjson.loads(line)[0] == 7
    assert verdict.outcome in OUTCOMES
    assert 0 <= seconds < float("inf")


@pytest.fixture
def worker() -> Iterator[tuple[Worker, int, int]]:
    """A worker whose process is this one: the job's side, what it was asked, and where its replies go."""
    theirs_in, requests = os.pipe()
    replies, theirs_out = os.pipe()
    for descriptor in (requests, replies):
        os.set_blocking(descriptor, False)
    made = Worker(0, requests, replies)
    yield made, theirs_in, theirs_out
    made.close()
    os.close(theirs_in)
    os.close(theirs_out)


def test_replies_come_in_any_pieces(worker: tuple[Worker, int, int]) -> None:
    made, theirs_in, theirs_out = worker
    asks = deque(Ask(text, "5") for text in ("5", "é\n", None))
    made.ask(asks, 3, count(4))
    made.send()
    asked = [orjson.loads(line) for line in os.read(theirs_in, 1000).splitlines()]
    assert asked == [[4, "5", "5"], [5, "é\n", "5"], [6, None, "5"]]
    lines = BORN + b'\n[4,"correct",null,1]\n[5,"incorrect","why",2]\n' + RETIRED + b'\n[6,"unpar'
    found: list[tuple[Ask, Verdict, float]] = []
    for place in range(len(lines)):
        os.write(theirs_out, lines[place : place + 1])
        found += made.answers()
    assert [(verdict, seconds) for _, verdict, seconds in found] == [
        (Verdict("correct", "5"), 1),
        (Verdict("incorrect", "é\n", "why"), 2),
    ]
    assert made.is_born
    assert made.is_retired
    assert len(made.asked) == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=50) | REPLY.map(orjson.dumps), max_size=5))
def test_no_bytes_of_a_worker_stop_the_job(lines: list[bytes]) -> None:
    theirs_in, requests = os.pipe()
    replies, theirs_out = os.pipe()
    for descriptor in (requests, replies):
        os.set_blocking(descriptor, False)
    made = Worker(0, requests, replies)
    made.ask(deque([Ask("x", "5"), Ask("y", "5")]), 2, count(7))
    os.write(theirs_out, b"\n".join([*lines, b""]))
    os.close(theirs_out)
    try:
        found = list(made.answers())
        assert len(found) + len(made.asked) == 2
    except Garbage:
        assert made.asked
    made.close()
    os.close(theirs_in)


def _recurse(extracted: str | None, answer: str) -> Verdict:
    return _recurse(extracted, answer)


@pytest.mark.parametrize(
    ("compare", "detail"),
    [
        (_recurse, "RecursionError: maximum recursion depth exceeded"),
        (lambda extracted, answer: sys.exit(1), "SystemExit: 1"),
        (lambda extracted, answer: [][0], "IndexError: list index out of range"),
        (lambda extracted, answer: bytearray(10**15), "memory_limit"),
        (lambda extracted, answer: True, "compare returned no verdict but bool"),
        (lambda extracted, answer: Verdict("right"), "compare returned no verdict but Verdict"),  # type: ignore[arg-type]
    ],
)
def test_what_is_raised_or_returned_is_an_error(compare: object, detail: str) -> None:
    assert judged(compare, "x", "y") == Verdict("error", detail=detail)  # type: ignore[arg-type]
