from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.serving import Client, Limits
from curate.serving.pool import Pool
from curate.serving.server import Server
from curate.serving.usage import Usage
from fake_server import FakeServer
from serving_case import PATH, body, post_many, with_client


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    with FakeServer(delay_s=0.01) as server:
        with_client([server.url], post_many(60), Limits(max_requests=7))
        assert server.most_at_once == 7
        assert server.n_requests == 60


def test_no_more_tokens_are_in_flight_than_allowed() -> None:
    with FakeServer(delay_s=0.01) as server:
        with_client([server.url], post_many(30, n_tokens=30), Limits(max_tokens=100))
        assert server.most_at_once == 3
        assert server.n_requests == 30


def test_a_request_larger_than_the_bound_goes_alone() -> None:
    with FakeServer(delay_s=0.005) as server:
        found = with_client([server.url], post_many(5, n_tokens=1000), Limits(max_tokens=100))
        assert server.most_at_once == 1
    assert [reply["object"] for reply in found] == ["text_completion"] * 5


def test_the_bounds_hold_over_all_servers_together() -> None:
    with FakeServer(delay_s=0.01) as first, FakeServer(delay_s=0.01) as second:
        with_client([first.url, second.url], post_many(60), Limits(max_requests=8))
        assert (first.most_at_once, second.most_at_once) == (4, 4)


def test_who_waits_longest_goes_first_even_where_a_later_one_would_fit() -> None:
    async def work(client: Client) -> None:
        sizes = [60, 100, 10, 10]
        await asyncio.gather(*(client.post(PATH, body(seed=seed), size) for seed, size in enumerate(sizes)))

    with FakeServer(delay_s=0.01) as server:
        with_client([server.url], work, Limits(max_tokens=100))
        assert [each["seed"] for each in server.bodies] == [0, 1, 2, 3]


def test_the_faster_of_two_servers_gets_more() -> None:
    with FakeServer(delay_s=0.002) as fast, FakeServer(delay_s=0.05) as slow:
        with_client([fast.url, slow.url], post_many(300), Limits(max_requests=16))
        assert fast.n_requests > 2 * slow.n_requests
        assert slow.n_requests > 8


@pytest.mark.parametrize("name", ["max_requests", "max_tokens", "timeout_s", "attempts", "patience_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_bound_that_is_not_positive_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*above 0"):
        Limits(**{name: value})


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    max_requests=st.integers(1, 6),
    max_tokens=st.integers(1, 80),
    n_servers=st.integers(1, 3),
    cancelled=st.sets(st.integers(0, 39), max_size=10),
    turns=st.lists(st.integers(0, 3), min_size=1, max_size=10),
)
def test_the_pool_keeps_bounds_and_order_and_loses_nobody(
    sizes: list[int], max_requests: int, max_tokens: int, n_servers: int, cancelled: set[int], turns: list[int]
) -> None:
    """Whatever the sizes, the lengths of the work and the cancelled: bounds hold, order is kept, all get through."""

    async def run() -> None:
        usage = Usage()
        limits = Limits(max_requests=max_requests, max_tokens=max_tokens)
        servers = [Server(str(number), max_requests) for number in range(n_servers)]
        pool = Pool(servers, limits, usage)
        order: list[int] = []
        n_turns = itertools.cycle(turns)

        async def request(number: int, size: int) -> None:
            server = pool.take(size) or await pool.wait(size)
            order.append(number)
            assert usage.n_in_flight <= max_requests
            assert usage.n_tokens_in_flight <= max_tokens or usage.n_in_flight == 1
            assert all(each.n_requests <= each.limit for each in servers)
            try:
                for _ in range(next(n_turns)):
                    await asyncio.sleep(0)
            finally:
                pool.release(server, size)

        tasks = [asyncio.create_task(request(number, size)) for number, size in enumerate(sizes)]
        await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            tasks[number].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in done)
        assert order == sorted(order)
        assert {number for number, each in enumerate(done) if each is None} <= set(order)
        assert (usage.n_in_flight, usage.n_tokens_in_flight) == (0, 0)
        assert all((each.n_requests, each.n_tokens) == (0, 0) for each in servers)

    asyncio.run(run())
