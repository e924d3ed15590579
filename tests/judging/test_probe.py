"""What a judge's server is and takes, and what is said where it cannot judge."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from curate.errors import JudgeError
from curate.judging.probe import Probed, probe
from curate.serving import Client, Limits
from fake_server import FakeServer


def probed(server: FakeServer, model: str = "fake", context: int | None = None) -> Probed:
    async def run() -> Probed:
        async with Client([server.url], Limits(attempts=2, patience_s=1)) as client:
            return await probe(client, model, context)

    return asyncio.run(run())


def test_a_server_with_guided_output() -> None:
    with FakeServer(max_model_len=4096, chat=lambda _: "{}") as server:
        assert probed(server) == Probed(4096, takes_schema=True)
        assert probed(server, context=2000) == Probed(2000, takes_schema=True)
        assert "response_format" in server.bodies[0]


def test_a_server_that_refuses_a_schema_is_asked_without() -> None:
    with FakeServer(guided=False, chat=lambda _: "?") as server:
        assert probed(server) == Probed(2048, takes_schema=False)
        assert ["response_format" in body for body in server.bodies] == [True, False]


def test_an_unknown_model_is_refused_with_what_is_served() -> None:
    with FakeServer(model="other") as server, pytest.raises(JudgeError, match=r"does not exist.*It serves other\."):
        probed(server)


def test_a_tiny_context_is_no_error_of_the_server() -> None:
    with FakeServer(max_model_len=64) as server:
        assert probed(server) == Probed(64, takes_schema=False)


def test_what_the_server_answered_is_shown() -> None:
    def refuse(body: dict[str, Any]) -> str:
        return "a chat template is needed"

    with FakeServer(refuse=refuse) as server, pytest.raises(JudgeError, match="a chat template is needed"):
        probed(server)


def test_a_missing_key_is_told_where_to_put() -> None:
    with FakeServer(api_key="k") as server, pytest.raises(JudgeError, match=r"HTTP 401.*CURATE_API_KEY.*--api-key-env"):
        probed(server)


def test_every_server_has_to_serve_the_model() -> None:
    async def run() -> None:
        async with Client([server.url, other.url], Limits(attempts=2, patience_s=1)) as client:
            await probe(client, "fake")

    refused = pytest.raises(JudgeError, match="server 2 of 2 does not serve fake, it serves else")
    with FakeServer() as server, FakeServer(model="else") as other, refused:
        asyncio.run(run())


class Other:
    """A client of a server without a page of models that answers in a form of its own."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    async def get(self, path: str) -> list[Any]:
        return [{"models": []}]

    async def post(self, path: str, body: dict[str, Any], n_tokens: int) -> Any:
        return self.reply


def test_a_context_that_nobody_says_is_assumed_and_said() -> None:
    found = asyncio.run(probe(Other({"choices": [{"message": {}}]}), "m"))
    assert found.context == 8192
    assert "--context N" in (found.note or "")


@pytest.mark.parametrize("reply", [{}, None, {"choices": [{"text": "x"}]}, "hello"])
def test_a_reply_that_is_no_chat_completion_is_refused(reply: Any) -> None:
    with pytest.raises(JudgeError, match="no chat completion"):
        asyncio.run(probe(Other(reply), "m"))
