"""The dispatcher, one step at a time: workers of which this test writes the replies, and a nursery that starts no process."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import orjson
import pytest

from curate.records import Verdict
from curate.verifying import Limits
from curate.verifying.workers.dispatch import Dispatcher
from curate.verifying.workers.process import Ask, Worker


class Nursery:
    """Forks workers that are pipes alone; ``ended`` is what it says of those that have died."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, str]] = []
        self.killed: list[int] = []
        self.theirs: dict[int, tuple[int, int]] = {}  # the worker's ends of its pipes

    def fork(self, number: int) -> Worker:
        theirs_in, requests = os.pipe()
        replies, theirs_out = os.pipe()
        for descriptor in (theirs_in, requests, replies):
            os.set_blocking(descriptor, False)
        self.theirs[number] = theirs_in, theirs_out
        return Worker(number, requests, replies)

    def kill(self, number: int) -> None:
        self.killed.append(number)

    def deaths(self) -> Iterator[tuple[int, str]]:
        while self.ended:
            yield self.ended.pop(0)


class Stepped(Dispatcher):
    """A dispatcher without its thread: a test calls its steps."""

    def __init__(self, n_workers: int) -> None:
        super().__init__("python", {}, Limits(10, 200), n_workers)
        self.nursery = Nursery()
        self._nursery = self.nursery  # type: ignore[assignment]
        self._poll = select.poll()

    def start(self, *numbers: int) -> None:
        """Have these workers at hand, asked nothing yet."""
        for number in numbers:
            worker = self._workers[number] = self.nursery.fork(number)
            worker.is_born = True
            self._poll.register(worker.replies, select.POLLIN)

    def queue(self, *texts: str) -> list[Ask]:
        """Queue pairs and hand out what is wanted."""
        asks = [Ask(text, "5") for text in texts]
        self._queue.extend(asks)
        self._feed()
        return asks

    def asked(self, number: int) -> list[str | None]:
        return [ask.extracted for _, ask in self._workers[number].asked]

    def reply(self, number: int, seconds: float, outcome: str = "correct", detail: str | None = None) -> None:
        """Have a worker answer the first pair it was asked."""
        asked = self._workers[number].asked[0][0]
        self.say(number, orjson.dumps([asked, outcome, detail, seconds]))
        self._read(self._workers[number])

    def say(self, number: int, line: bytes) -> None:
        os.write(self.nursery.theirs[number][1], line + b"\n")

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        for pipes in self.nursery.theirs.values():
            for descriptor in pipes:
                os.close(descriptor)


@pytest.fixture
def stepped() -> Iterator[Stepped]:
    made = Stepped(4)
    yield made
    made.close()


def test_a_worker_whose_last_words_are_no_verdict_is_given_up_once(stepped: Stepped) -> None:
    stepped.start(0)
    asks = [Ask(text, "5", is_first=text == "a") for text in "abc"]
    stepped._workers[0].asked.extend(enumerate(asks))
    stepped.say(0, b"garbage")
    stepped.nursery.ended.append((0, "exit status 0"))
    stepped._hear()
    assert [ask.verdict and ask.verdict.detail for ask in asks] == ["worker died: it sent no verdict", None, None]
    assert [ask.extracted for ask in stepped._queue] == ["b", "c"]
    assert stepped._workers == {}


def test_after_many_quick_pairs_the_last_ones_are_spread_over_all_workers(stepped: Stepped) -> None:
    stepped.start(0, 1, 2, 3)
    stepped._mean_s = 1e-6
    stepped.queue(*(f"{n}" for n in range(40)))
    assert [len(stepped.asked(number)) for number in range(4)] == [10] * 4


def test_workers_that_are_still_to_be_started_have_their_share_too(stepped: Stepped) -> None:
    stepped.start(0)
    stepped._mean_s = 1e-6
    stepped.queue(*(f"{n}" for n in range(8)))
    assert stepped.asked(0) == ["0", "1"]
    assert len(stepped._queue) == 6


@pytest.mark.parametrize(
    ("seconds", "n_queued", "n_asked"),
    [
        (1e-6, 10_000, 128),
        (0.002, 10_000, 26),
        (0.03, 10_000, 2),
        (0.06, 10_000, 1),
        (0.03, 8, 2),
        (0.03, 7, 1),
        (0.03, 3, 1),
    ],
)
def test_as_many_wait_as_take_50_ms_while_each_worker_has_as_many(
    stepped: Stepped, seconds: float, n_queued: int, n_asked: int
) -> None:
    stepped.start(0, 1, 2, 3)
    stepped._mean_s = seconds
    stepped.queue(*(f"{n}" for n in range(n_queued)))
    assert len(stepped.asked(0)) == n_asked


def test_pairs_that_give_no_verdict_count_as_long_ones(stepped: Stepped) -> None:
    stepped.start(0)
    stepped._mean_s = 1e-6
    stepped.queue("hang")
    stepped._workers[0].began -= 11
    stepped._stop_late()
    assert stepped._mean_s == pytest.approx(0.005, rel=1e-3)  # a twentieth of 100 ms: ten wait, not 128


@pytest.mark.parametrize("why", ["exit status 3", "memory_limit", "garbage", "replied"])
def test_a_pair_that_was_not_the_first_of_its_worker_is_asked_once_more_in_a_fresh_one(
    stepped: Stepped, why: str
) -> None:
    detail = {"replied": "memory_limit", "memory_limit": "memory_limit", "garbage": "worker died: it sent no verdict"}
    stepped.start(0)
    stepped._mean_s, stepped.n_workers = 1e-6, 1
    first, second, third = stepped.queue("first", "second", "third")

    def fail(number: int) -> None:
        if why == "replied":
            stepped.reply(number, 0.1, "error", "memory_limit")
        elif why == "garbage":
            stepped.say(number, b"garbage")
            stepped._read(stepped._workers[number])
        else:
            stepped.nursery.ended.append((number, why))
            stepped._hear()

    stepped.reply(0, 0.1)
    fail(0)
    stepped._feed()
    (number,) = stepped._workers
    assert (first.verdict, second.verdict) == (Verdict("correct", "first"), None)
    stepped._workers[number].is_born = True
    stepped._feed()
    assert stepped.asked(number) == ["second"]
    fail(number)
    found = detail.get(why, f"worker died: {why}")
    assert second.verdict is not None
    assert (second.verdict.outcome, second.verdict.detail) == ("error", found)
    assert third.verdict is None
    assert [ask.extracted for ask in stepped._queue] + [a for n in stepped._workers for a in stepped.asked(n)] == [
        "third"
    ]


def test_a_timeout_counts_whatever_was_asked_before(stepped: Stepped) -> None:
    stepped.start(0)
    stepped.queue("first")
    stepped.reply(0, 0.1)
    (second,) = stepped.queue("second")
    stepped._workers[0].began -= 11
    stepped._stop_late()
    assert second.verdict == Verdict("timeout", "second", "no verdict within 10 s")


def test_a_pair_that_is_asked_once_more_has_a_worker_started_where_others_are_idle(stepped: Stepped) -> None:
    stepped.start(0, 1)
    stepped.queue("first", "other")
    stepped.reply(0, 0.1)
    stepped.reply(1, 0.1)
    stepped.queue("second")
    stepped.nursery.ended.append((0, "exit status 3"))
    stepped._hear()
    stepped._feed()
    assert len(stepped._workers) == 2
    assert stepped.asked(1) == []


def test_a_long_pair_is_written_as_it_is_read_and_begins_when_it_is_written(stepped: Stepped) -> None:
    stepped.start(0)
    (ask,) = stepped.queue("x" * 3_000_000)
    worker, n_read = stepped._workers[0], 0
    while worker.outgoing:
        assert stepped._poll.poll(0) == []
        n_read += len(os.read(stepped.nursery.theirs[0][0], 1 << 20))
        assert stepped._poll.poll(0) == [(worker.requests, select.POLLOUT)]
        worker.began -= 11
        stepped._feed()
        stepped._stop_late()
        assert ask.verdict is None
    worker.began -= 11
    stepped._stop_late()
    assert n_read > 2_000_000
    assert ask.verdict == Verdict("timeout", ask.extracted, "no verdict within 10 s")


def test_a_worker_that_reads_no_more_is_stopped_all_the_same(stepped: Stepped) -> None:
    stepped.start(0)
    (ask,) = stepped.queue("x" * 3_000_000)
    stepped._workers[0].began -= 11
    stepped._feed()
    stepped._stop_late()
    assert ask.verdict is not None
    assert ask.verdict.outcome == "timeout"


def test_a_long_pair_that_waits_does_not_give_more_time_to_the_one_that_runs(stepped: Stepped) -> None:
    stepped.start(0)
    stepped._mean_s, stepped.n_workers = 0.03, 1
    first, long = stepped.queue("first", "x" * 3_000_000)
    stepped._workers[0].began -= 11
    os.read(stepped.nursery.theirs[0][0], 1 << 20)
    stepped._feed()
    stepped._stop_late()
    assert first.verdict == Verdict("timeout", "first", "no verdict within 10 s")
    assert long.verdict is None


def test_what_waits_behind_a_long_pair_goes_to_idle_workers(stepped: Stepped) -> None:
    stepped.start(0, 1)
    stepped._mean_s, stepped.n_workers = 1e-6, 2
    stepped.queue(*"abcdefgh")
    assert (stepped.asked(0), stepped.asked(1)) == (list("abcd"), list("efgh"))
    for _ in range(4):
        stepped.reply(1, 1e-6)
    stepped._workers[0].began -= 0.3
    stepped._take_back()
    assert stepped.asked(0) == list("abcd")  # three that wait, 0.3 s each: less than a second
    stepped._workers[0].began -= 0.1
    stepped._take_back()
    stepped._feed()
    assert (stepped.asked(0), stepped.asked(1)) == (["a"], list("bc"))
    assert [ask.extracted for ask in stepped._queue] == ["d"]
    stepped.reply(0, 0.4)
    assert stepped.nursery.killed == [0]
    assert list(stepped._workers) == [1]


def test_nothing_is_taken_back_while_all_workers_have_something_to_do(stepped: Stepped) -> None:
    stepped.start(0, 1)
    stepped._mean_s, stepped.n_workers = 1e-6, 2
    stepped.queue(*"abcdef")
    stepped._workers[0].began -= 9
    stepped._take_back()
    assert (stepped.asked(0), stepped.asked(1)) == (list("abc"), list("def"))


def test_a_long_pair_from_behind_which_others_were_taken_may_still_be_a_timeout(stepped: Stepped) -> None:
    stepped.start(0)
    stepped._mean_s, stepped.n_workers = 1e-6, 1
    first, second = stepped.queue("first", "second")
    stepped.n_workers = 2
    stepped._workers[0].began -= 9
    stepped._take_back()
    stepped._workers[0].began -= 2
    stepped._stop_late()
    assert first.verdict == Verdict("timeout", "first", "no verdict within 10 s")
    assert (second.verdict, list(stepped._queue)) == (None, [second])
