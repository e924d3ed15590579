from __future__ import annotations

import asyncio

import pytest

from curate.serving import Client, Limits
from curate.serving.server import Server
from fake_server import FakeServer
from serving_case import post_many, with_client


def busy(n_requests: int, most: int = 64) -> Server:
    server = Server("http://a", most)
    server.n_requests = n_requests
    return server


def test_one_rejection_halves_the_limit() -> None:
    server = busy(64)
    server.overloaded(now=10.0, started=9.0, said="429", retry_after_s=None)
    assert server.limit == 31.5
    assert server.paused_until == 0.0


def test_a_burst_of_rejections_leaves_what_the_server_could_hold() -> None:
    server = busy(64)
    for n in range(64, 8, -1):
        server.n_requests = n
        server.overloaded(now=10.0, started=9.0, said="429", retry_after_s=None)
    assert server.limit == 8


def test_the_limit_never_falls_below_one() -> None:
    server = busy(1, most=4)
    for now in range(1, 10):
        server.overloaded(now=now, started=now, said="503", retry_after_s=None)
    assert server.limit == 1


def test_the_limit_grows_by_a_64th_of_the_most_a_round_trip() -> None:
    server = busy(0, most=256)
    server.limit = 100.0
    for _ in range(100):
        server.answered()
    assert server.limit == pytest.approx(104, abs=0.1)
    for _ in range(100_000):
        server.answered()
    assert server.limit == 256
    assert not server.answered()


def test_retry_after_pauses_the_server() -> None:
    server = busy(2)
    server.overloaded(now=10.0, started=9.0, said="429", retry_after_s=7.0)
    server.n_requests = 0
    assert not server.has_room(16.9)
    assert server.has_room(17.0)


def test_each_trouble_in_a_row_pauses_for_longer_up_to_a_ceiling() -> None:
    server, now, pauses = busy(0), 10.0, []
    for _ in range(14):
        server.unreachable(now, started=now, said="refused")
        pauses.append(server.paused_until - now)
        now = max(now, server.paused_until) + 0.001
    assert pauses[0] < 0
    assert all(0.0074 * 2**step <= pause <= 0.0126 * 2**step for step, pause in enumerate(pauses[1:8]))
    assert 3.75 <= pauses[-1] <= 6.25
    assert server.down_since == 10.0


def test_after_two_troubles_in_a_row_one_request_at_a_time_is_let_through() -> None:
    server = busy(0)
    for now in (1.0, 2.0):
        server.unreachable(now, started=now, said="refused")
    assert server.has_room(100.0)
    server.n_requests = 1
    assert not server.has_room(100.0)
    server.answered()
    assert server.has_room(100.0)
    assert server.down_since is None


def test_the_client_finds_what_a_server_can_hold_and_loses_nothing() -> None:
    with FakeServer(capacity=8, delay_s=0.005) as server:

        async def work(client: Client) -> list[object]:
            found = await post_many(300)(client)
            assert 1 <= client.usage.limit[server.url] <= 24
            assert client.usage.n_retries["http_429"] >= 56
            return found

        found = with_client([server.url], work, Limits(max_requests=64))
        assert all(isinstance(reply, dict) for reply in found)
        assert sum(server.answered.values()) == 300


def test_the_limit_recovers_once_the_server_does() -> None:
    with FakeServer(faults={"429": 1.0}) as server:

        async def work(client: Client) -> None:
            running = asyncio.create_task(post_many(200)(client))
            while client.usage.limit[server.url] > 4:
                await asyncio.sleep(0.001)
            server.faults = {}
            assert all(isinstance(reply, dict) for reply in await running)
            while client.usage.limit[server.url] < 16:
                await post_many(16)(client)

        with_client([server.url], work, Limits(max_requests=16, attempts=20))
