from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

import fake_model
from curate.errors import ServerError
from curate.serving import Client, Failed, Gone, Limits, client
from fake_server import FakeServer
from serving_case import PATH, body, post, post_many, with_client


def test_requests_go_on_when_a_killed_server_comes_back() -> None:
    async def work(client: Client) -> list[object]:
        running = asyncio.create_task(post_many(100)(client))
        while server.n_requests < 20:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(server.stop)
        while client.usage.n_retries["unreachable"] < 3:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(server.start)
        found = await running
        assert client.usage.waited_s > 0
        return found

    with FakeServer(delay_s=0.01) as server:
        found = with_client([server.url], work, Limits(max_requests=8, attempts=2))
    for seed, reply in enumerate(found):
        assert reply["choices"][0]["token_ids"] == fake_model.complete([5, 6, 7], seed, 8)  # type: ignore[index]


def test_while_no_server_is_there_they_are_tried_one_request_at_a_time() -> None:
    async def work(client: Client) -> int:
        running = asyncio.create_task(post_many(50)(client))
        while client.usage.n_retries["unreachable"] < 67:  # twice the 32, then a few single ones
            await asyncio.sleep(0.001)
        assert client.usage.n_in_flight <= 1
        assert client.usage.n_waiting >= 49
        await asyncio.to_thread(server.start)
        await running
        return client.usage.n_retries["unreachable"]

    with FakeServer() as server:
        server.stop()
        assert with_client([server.url], work, Limits(max_requests=32)) < 80


def test_every_request_ends_with_gone_after_the_patience() -> None:
    with FakeServer() as server:
        server.stop()
        found = with_client([server.url], post_many(20), Limits(max_requests=8, patience_s=0.2))
    assert {type(each) for each in found} == {Gone}
    assert "no server has taken a request for" in str(found[0])
    assert "Connection refused" in str(found[0])
    assert "run the same command again" in str(found[0])


def test_a_server_that_only_ever_rejects_is_gone_too() -> None:
    with FakeServer(faults={"503": 1.0}) as server:
        found = with_client([server.url], post_many(20), Limits(patience_s=0.2, attempts=50))
    assert {type(each) for each in found} == {Gone}
    assert "HTTP 503" in str(found[0])


def test_time_in_which_nobody_asked_is_not_patience() -> None:
    async def work(client: Client) -> None:
        server.faults = {"503": 1.0}
        with pytest.raises(Failed):
            await client.post(PATH, body(), 11)
        await asyncio.sleep(1.1)
        with pytest.raises(Failed):
            await client.post(PATH, body(), 11)

    with FakeServer() as server:
        with_client([server.url], work, Limits(patience_s=1, attempts=2))


def test_a_client_that_gave_up_still_works_once_a_server_is_back() -> None:
    async def work(client: Client) -> None:
        with pytest.raises(Gone):
            await client.post(PATH, body(), 11)
        await asyncio.to_thread(server.start)
        assert (await client.post(PATH, body(), 11))["model"] == "fake"

    with FakeServer() as server:
        server.stop()
        with_client([server.url], work, Limits(patience_s=0.1))


def test_a_dead_server_s_share_goes_to_the_other() -> None:
    with FakeServer() as there, FakeServer() as away:
        away.stop()
        found = with_client([away.url, there.url], post_many(50), Limits(patience_s=0.1, attempts=1))
        assert there.n_requests == 50
    assert all(reply["model"] == "fake" for reply in found)


def test_a_retry_prefers_another_server() -> None:
    with FakeServer(faults={"500": 1.0}) as bad, FakeServer(delay_s=0.01) as good:
        found = with_client([bad.url, good.url], post_many(40), Limits(attempts=2))
        assert bad.n_requests >= 10
        assert all(isinstance(reply, dict) for reply in found)


def test_an_address_without_a_server_name_behind_it_is_gone() -> None:
    with pytest.raises(Gone, match="no server answers at http://nowhere"):
        with_client(["http://nowhere.invalid"], lambda client: client.get("/v1/models"), Limits(attempts=1))


def test_a_hung_server_is_a_time_out_not_an_outage() -> None:
    with FakeServer(faults={"stall": 1.0}) as server, pytest.raises(Failed) as failed:
        post(server.url, Limits(timeout_s=0.1, attempts=3, patience_s=0.15))
    assert failed.value.reason == "timeout"


@contextmanager
def hung() -> Iterator[str]:
    """The address of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_hangs_is_gone_after_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.05)
    with hung() as url:
        limits = Limits(max_requests=8, timeout_s=0.1, attempts=100, patience_s=0.5)
        found = with_client([url], post_many(20), limits)
    assert {type(each) for each in found} == {Gone}
    assert "no whole reply within 0.1 s" in str(found[0])


def test_a_server_that_hangs_beside_a_good_one_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.05)
    with hung() as url, FakeServer() as server:
        found = with_client([url, server.url], post_many(40), Limits(max_requests=8, timeout_s=0.2, patience_s=0.1))
    assert [type(each) for each in found] == [dict] * 40


def test_get_does_not_wait_for_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GET_S", 0.05)
    with hung() as url, pytest.raises(Gone, match=r"no server answers at .*/v1/models: no reply within 0\.05 s"):
        with_client([url], lambda client: client.get("/v1/models"), Limits(attempts=2))


def test_https_at_a_server_without_it_says_so() -> None:
    with FakeServer() as server, pytest.raises(Gone, match="SSL"):
        with_client(
            [server.url.replace("http:", "https:")], lambda client: client.get("/v1/models"), Limits(attempts=1)
        )


def test_too_many_open_files_are_not_the_server_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(*_: object, **__: object) -> None:
        key = ConnectionKey("127.0.0.1", 1, False, False, None, None, None)
        raise aiohttp.ClientConnectorError(key, OSError(errno.EMFILE, "Too many open files"))

    monkeypatch.setattr(aiohttp.ClientSession, "request", request)
    with pytest.raises(ServerError, match="ulimit -n") as error:
        post("http://127.0.0.1:1")
    assert type(error.value) is ServerError
