from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Mapping

import pytest

from curate.errors import ConfigError, CurateError
from curate.serving import Client, Failed, Gone, Limits, Refused
from fake_server import FakeServer
from serving_case import post, with_client

KEY = "sk-Very/Secret+0123456789=="


def echo(status: int, key: str = KEY) -> object:
    spelled = f"{'x' * 480}{key} {key.replace('/', chr(92) + '/')} Bearer {key}".encode()

    def plain(path: str) -> tuple[int, Mapping[str, str], bytes]:
        return status, {"X-Echo": key}, spelled

    return plain


def test_the_key_is_sent_as_a_bearer_token() -> None:
    with FakeServer(api_key=KEY) as server:
        assert post(server.url, key=f" {KEY}\n")["model"] == "fake"
        with pytest.raises(Refused, match="HTTP 401"):
            post(server.url, key="another")
        with pytest.raises(Refused, match="HTTP 401"):
            post(server.url)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500, 503])
def test_a_server_that_echoes_the_key_does_not_get_it_shown(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeServer(plain=echo(status)) as server, pytest.raises(CurateError) as error:  # type: ignore[arg-type]
        post(server.url, Limits(attempts=2), KEY)
    shown = "".join(traceback.format_exception(error.value)) + repr(error.value) + caplog.text
    shown += "".join(str(vars(record)) for record in caplog.records)
    for part in ("Secret", "sk-", "0123456789"):
        assert part not in shown
    assert "[the key]" in getattr(error.value, "reply", "[the key]")


def test_a_refusal_that_quotes_the_key_reads_well_without_it() -> None:
    with FakeServer(api_key="right") as server, pytest.raises(Refused) as refused:
        post(server.url, key=KEY)
    assert "Incorrect API key provided: Bearer [the key]" in refused.value.reply


def test_a_good_reply_that_quotes_the_key_comes_without_it() -> None:
    said = b'{"error": "no such key: ' + KEY.replace("/", "\\/").encode() + b'"}'
    with FakeServer(plain=lambda path: (200, {}, said)) as server:
        assert post(server.url, key=KEY) == {"error": "no such key: [the key]"}


def test_a_stand_in_for_a_key_changes_no_reply() -> None:
    with FakeServer(plain=lambda path: (200, {}, b'{"n": 11, "text": "EMPTY"}')) as server:
        for key in ("1", "EMPTY"):
            assert post(server.url, key=key) == {"n": 11, "text": "EMPTY"}


def test_a_broken_status_line_with_the_key_in_it_is_not_shown() -> None:
    async def run() -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {KEY} {KEY}\r\nX: {KEY}\x00{KEY}\r\n\r\n".encode())
            writer.close()

        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with listening, Client([url], Limits(attempts=2), KEY) as client:
            with pytest.raises(Failed) as failed:
                await client.post("/v1/completions", {}, 1)
        return "".join(traceback.format_exception(failed.value))

    shown = asyncio.run(run())
    assert "bad_http" in shown
    assert "Secret" not in shown


def test_the_key_is_in_no_repr() -> None:
    client = Client(["http://127.0.0.1:1"], Limits(), KEY)
    assert repr(client) == "Client(['http://127.0.0.1:1'])"
    assert KEY not in repr(client.limits) + repr(client.usage)


@pytest.mark.parametrize("key", ["with\nnewline", "with\x00null", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="the API key has characters") as error:
        Client(["http://127.0.0.1:1"], Limits(), key)
    assert key not in str(error.value)


def test_an_empty_key_is_no_key() -> None:
    with FakeServer() as server:
        post(server.url, key="  ")
        assert server.authorizations == {None}


def test_the_key_does_not_follow_a_redirect() -> None:
    with FakeServer() as other:
        location = {"Location": f"{other.url}/v1/completions"}
        with FakeServer(plain=lambda path: (307, location, b"")) as server, pytest.raises(Refused, match="HTTP 307"):
            post(server.url, key=KEY)
        assert other.n_requests == 0


def test_gone_does_not_show_the_key() -> None:
    with FakeServer(plain=echo(503)) as server, pytest.raises(Gone) as gone:  # type: ignore[arg-type]
        with_client([server.url], lambda client: client.post("/", {}, 1), Limits(attempts=99, patience_s=0.1), KEY)
    assert "Secret" not in str(gone.value)
