"""Groups at one time: what is durable when, what a re-run asks for, and how errors and signals end it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.contracts import contract
from curate.fanout import Done, Fanout, GroupFailed
from curate.journal import Journal

SCHEMA = contract("samples").loose_schema


def batch(group: int, n: int = 2) -> pa.RecordBatch:
    columns = {
        "group_id": [group] * n,
        "sample_index": list(range(n)),
        "prompt_id": [f"p{group}"] * n,
        "completion": [f"{group}.{index}" for index in range(n)],
        "token_exact": [False] * n,
        "hinted": [False] * n,
    }
    return contract("samples").rows(columns).to_batches()[0]


class Work:
    """Work that counts: the later a group, the sooner it ends; ``fails`` raise what they are given."""

    def __init__(self, fails: dict[int, BaseException] | None = None, hangs: set[int] | None = None) -> None:
        self.fails, self.hangs = fails or {}, hangs or set()
        self.asked: list[int] = []
        self.n_alive = self.most_alive = 0
        self.is_hanging = threading.Event()

    async def __call__(self, group: int) -> pa.RecordBatch:
        self.asked.append(group)
        self.n_alive += 1
        self.most_alive = max(self.most_alive, self.n_alive)
        try:
            await asyncio.sleep(0.001 * (20 - group))
            if group in self.hangs:
                self.is_hanging.set()
                await asyncio.sleep(3600)
            if group in self.fails:
                raise self.fails[group]
            return batch(group)
        finally:
            self.n_alive -= 1


def fan_out(fan: Fanout, path: Path, work: Work, groups: Any = range(10), on_done: Any = lambda key: None) -> Done:
    return fan.groups(path, "samples", groups, int, work, on_done)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part.arrows"


@pytest.fixture
def fan() -> Iterator[Fanout]:
    with Fanout(4) as fan:
        yield fan


def test_the_rows_come_in_the_order_of_the_groups_and_few_are_alive_at_once(fan: Fanout, path: Path) -> None:
    work = Work()
    done = fan_out(fan, path, work)
    assert done.rows["group_id"].to_pylist() == [group for group in range(10) for _ in range(2)]
    assert done.rows["sample_index"].to_pylist() == [0, 1] * 10
    assert done.failed == {}
    assert work.most_alive == 4
    assert sorted(work.asked) == list(range(10))


def test_a_group_is_durable_when_it_counts(fan: Fanout, path: Path) -> None:
    durable: dict[int, set[int]] = {}

    def on_done(key: int) -> None:
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
            durable[key] = {each["group_id"][0].as_py() for each in stream}

    fan_out(fan, path, Work(), on_done=on_done)
    assert sorted(durable) == list(range(10))
    assert all(key in written for key, written in durable.items())


def test_groups_of_the_journal_are_not_asked_again(fan: Fanout, path: Path) -> None:
    with Journal(path, SCHEMA) as journal:
        journal.extend([batch(7), batch(2)])
    work, counted = Work(), list[int]()
    done = fan_out(fan, path, work, on_done=counted.append)
    assert sorted(work.asked) == [0, 1, 3, 4, 5, 6, 8, 9]
    assert counted[:2] == [7, 2]
    assert sorted(counted) == list(range(10))
    assert done.rows["group_id"].to_pylist()[::2] == list(range(10))
    again = Work()
    assert fan_out(fan, path, again).rows.equals(done.rows)
    assert again.asked == []


def test_nothing_to_do_is_done_at_once(fan: Fanout, path: Path) -> None:
    assert fan_out(fan, path, Work(), groups=[]).rows.num_rows == 0


def test_a_failed_group_is_left_out_and_asked_again_by_the_next_run(fan: Fanout, path: Path) -> None:
    fails: dict[int, BaseException] = {3: GroupFailed("timeout", "no reply in 600 s"), 4: asyncio.CancelledError()}
    done = fan_out(fan, path, Work(fails))
    assert done.rows["group_id"].to_pylist()[::2] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert {key: (error.reason, error.detail, error.is_final) for key, error in done.failed.items()} == {
        3: ("timeout", "no reply in 600 s", False),
        4: ("cancelled", "its work was cancelled", False),
    }
    again = Work()
    assert fan_out(fan, path, again).rows["group_id"].to_pylist()[::2] == list(range(10))
    assert sorted(again.asked) == [3, 4]


def test_any_other_error_ends_it_and_keeps_what_was_finished(fan: Fanout, path: Path) -> None:
    work = Work({5: RuntimeError("the server is gone")}, hangs={8})
    with pytest.raises(RuntimeError, match="the server is gone"):
        fan_out(fan, path, work)
    assert work.n_alive == 0
    with Journal(path, SCHEMA) as journal:
        kept = {each["group_id"][0].as_py() for each in journal.batches()}
    assert kept == set(work.asked) - {5, *(group for group in work.asked if group not in kept)}
    assert {0, 1, 2} <= kept
    with pytest.raises(RuntimeError, match="the server is gone"):
        fan_out(fan, path.with_name("other.arrows"), Work())


def test_an_error_of_the_writer_ends_it(fan: Fanout, path: Path) -> None:
    def on_done(key: int) -> None:
        raise OSError("no space left")

    work = Work()
    with pytest.raises(OSError, match="no space left"):
        fan_out(fan, path, work, on_done=on_done)
    assert work.n_alive == 0


def test_two_parts_share_the_places(fan: Fanout, path: Path) -> None:
    first, second = Work(hangs={9}), Work()
    with ThreadPoolExecutor(2) as threads:
        earlier = threads.submit(fan_out, fan, path, first)
        assert first.is_hanging.wait(30)
        later = threads.submit(fan_out, fan, path.with_name("other.arrows"), second)
        assert later.result().rows.num_rows == 20
        assert second.most_alive == 3
        fan._loop.call_soon_threadsafe(fan._stop, RuntimeError("over"))
        with pytest.raises(RuntimeError, match="over"):
            earlier.result()


def test_the_part_whose_name_comes_first_goes_first(tmp_path: Path) -> None:
    asked: list[str] = []
    goes_on = threading.Event()

    async def work(name: str, group: int) -> pa.RecordBatch:
        asked.append(f"{name}{group}")
        while not goes_on.is_set():
            await asyncio.sleep(0.001)
        return batch(group)

    with Fanout(1) as fan, ThreadPoolExecutor(2) as threads:
        for n_parts, name in enumerate("ba", start=1):
            journal = tmp_path / f"{name}.arrows"
            threads.submit(fan.groups, journal, "samples", range(2), int, lambda group, name=name: work(name, group))
            while len(fan._jobs) < n_parts:
                time.sleep(0.001)
        goes_on.set()
    assert asked == ["b0", "a0", "a1", "b1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_in_flight_end_and_starts_nothing(path: Path, number: int) -> None:
    work = Work()
    former = signal.getsignal(number)

    def on_done(key: int) -> None:
        if key == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt), Fanout(4) as fan:
        fan_out(fan, path, work, groups=range(19), on_done=on_done)
    assert signal.getsignal(number) == former
    assert len(work.asked) < 19
    with Journal(path, SCHEMA) as journal:
        assert journal.n_counted == len(work.asked)
    again = Work()
    with Fanout(4) as fan:
        fan_out(fan, path, again, groups=range(19))
    assert sorted(again.asked + work.asked) == list(range(19))


def test_a_caller_that_stops_after_a_signal_leaves_what_is_in_flight_its_grace(path: Path) -> None:
    def stopped(fan: Fanout, work: Work) -> None:
        with ThreadPoolExecutor(1) as threads:
            part = threads.submit(fan_out, fan, path, work, range(4))
            while len(work.asked) < 4:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            while fan._end is None:
                time.sleep(0.001)
            fan.stop()
            part.result()

    with pytest.raises(KeyboardInterrupt), Fanout(4) as fan:
        stopped(fan, Work())
    with Journal(path, SCHEMA) as journal:
        assert journal.n_counted == 4


def test_what_hangs_is_cancelled_by_a_second_signal(path: Path) -> None:
    work = Work(hangs={0, 1, 2, 3})

    def press() -> None:
        work.is_hanging.wait(30)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.05)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt), Fanout(4) as fan:
        fan_out(fan, path, work)
    assert work.n_alive == 0


def test_what_hangs_is_cancelled_after_a_grace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.fanout.GRACE_S", 0.05)
    work = Work(hangs={0, 1, 2, 3})
    threading.Thread(target=lambda: work.is_hanging.wait(30) and os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), Fanout(4) as fan:
        fan_out(fan, path, work)
    assert work.n_alive == 0


def test_a_signal_between_two_calls_is_not_forgotten() -> None:
    with pytest.raises(KeyboardInterrupt), Fanout(1):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_before_a_call_cancels_it() -> None:
    with Fanout(1) as fan:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            fan.run(asyncio.sleep(3600))
        fan._is_interrupted = False


def test_a_signal_cancels_a_call() -> None:
    async def probe() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(3600)

    with pytest.raises(KeyboardInterrupt), Fanout(1) as fan:
        fan.run(probe())


def test_what_was_opened_is_closed_whatever_happens() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def client() -> Any:
        seen.append("opened")
        try:
            yield {}
        finally:
            seen.append("closed")

    with pytest.raises(ZeroDivisionError), Fanout(1) as fan:
        fan.open(client())[1 // 0]
    assert seen == ["opened", "closed"]
