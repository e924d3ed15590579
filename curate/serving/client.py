"""The client: one request is sent until it is answered, refused or out of attempts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
import stamina

from curate.errors import ConfigError, ServerError
from curate.serving.exchange import Reply, exchange
from curate.serving.failures import Failed, Gone, Refused, TryAgain, Unreachable
from curate.serving.limits import DEFAULT, Limits
from curate.serving.pool import Pool
from curate.serving.replies import (
    OVERLOADED,
    SHORTEST_SECRET,
    is_worth_another_try,
    quoted,
    retry_after_s,
    without_key,
)
from curate.serving.server import Server
from curate.serving.urls import server_urls
from curate.serving.usage import Usage

CONNECT_S = 30.0
KEEP_ALIVE_S = 4.0  # below the 5 s after which uvicorn (vLLM, SGLang) closes: a closing connection must not be reused
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 20.0
JITTER_S = 0.5
LOOK_S = 5.0
GET_S = 10.0  # a list of models or a version: nothing has to be generated
MODELS = "/v1/models"

# stamina logs every retry as a warning, which Python prints to stderr where no logging is set up.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class Client:
    """Ask served models over HTTP, many requests at once; an async context manager, for one event loop.

    ``urls`` are alternatives: each request goes to the least loaded. ``usage`` counts what was done.
    """

    def __init__(self, urls: Sequence[str], limits: Limits = DEFAULT, api_key: str | None = None) -> None:
        self.limits = limits
        self.usage = Usage()
        self._n_open = 0
        self._key = _checked_key(api_key)
        self._servers = [Server(url, limits.max_requests) for url in server_urls(urls)]

    def __repr__(self) -> str:
        return f"Client({[server.url for server in self._servers]})"

    async def __aenter__(self) -> Self:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "curate"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        connect_s = min(CONNECT_S, self.limits.timeout_s / 2)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self.limits.timeout_s, sock_connect=connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            auto_decompress=False,  # identity was asked for; a compressed bomb stays compressed
            trust_env=False,
        )
        self._time = asyncio.get_running_loop().time
        self._pool = Pool(self._servers, self.limits, self.usage)
        self._note_limits()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()
        await self._session.close()

    async def post(self, path: str, body: dict[str, Any], n_tokens: int) -> Any:
        """Send ``body`` to the least loaded server and return the reply's JSON.

        ``n_tokens`` (prompt + most new tokens) counts against ``Limits.max_tokens`` while in flight. Raises Refused,
        Failed, or Gone.
        """
        data = orjson.dumps(body)
        if not self._n_open:
            self._pool.forget_silence()
        self._n_open += 1
        try:
            try:
                return await self._post_once(path, data, n_tokens, None)
            except TryAgain as failed:
                first = failed
            return await self._post_again(path, data, n_tokens, first)
        finally:
            self._n_open -= 1

    async def get(self, path: str) -> list[Any]:
        """Ask every server, outside the bounds, and return their replies in the order of the URLs.

        Meant for what is asked before any work: a server that cannot be reached, or gives no reply within 10 s, is Gone
        after the attempts, without the patience. Raises Refused, Failed, or Gone.
        """
        return list(await asyncio.gather(*(self._get(server, path) for server in self._servers)))

    async def look(self, path: str) -> list[str | None]:
        """Return each server's reply to one GET as text, null where none comes within 5 s.

        Outside the bounds, asked once and not counted: for what is only shown.
        """
        return list(await asyncio.gather(*(self._look(server, path) for server in self._servers)))

    async def _post_once(self, path: str, data: bytes, n_tokens: int, avoid: Server | None) -> Any:
        """Make one attempt; a connection that cannot be made is none, and keeps its place before those that wait."""
        is_first = False
        while True:
            server = self._pool.take(n_tokens, avoid) or await self._pool.wait(n_tokens, avoid, is_first)
            failed: TryAgain | None = None
            started = self._time()
            try:
                return await self._ask(server, "POST", path, data)
            except Unreachable:
                self.usage.n_retries["unreachable"] += 1
            except TryAgain as error:
                failed = error
                failed.server = server
            finally:
                self._pool.release(server, n_tokens)
            if failed is not None and failed.reason == "timeout":
                await self._note_silence(server, started, failed.detail)
            if server.down_since is not None:
                self._stop_if_gone()
            if failed is not None:
                raise failed
            avoid, is_first = server, True

    async def _post_again(self, path: str, data: bytes, n_tokens: int, first: TryAgain) -> Any:
        """Make the attempts after the first; they cost a retry context, which the first does without."""
        failed = first
        try:
            async for attempt in _attempts(self.limits.attempts):
                with attempt:
                    if attempt.num == 1:
                        raise first
                    self.usage.n_retries[failed.reason] += 1
                    try:
                        return await self._post_once(path, data, n_tokens, failed.server)
                    except TryAgain as error:
                        failed = error
                        raise
        except TryAgain:
            pass
        raise Failed(failed.reason, f"{failed.detail} (attempt {self.limits.attempts} of {self.limits.attempts})")

    async def _get(self, server: Server, path: str) -> Any:
        try:
            async for attempt in _attempts(self.limits.attempts):
                with attempt:
                    try:
                        async with asyncio.timeout(GET_S):
                            return await self._ask(server, "GET", path, None)
                    except Unreachable as error:
                        raise TryAgain("unreachable", str(error)) from None
                    except TimeoutError:
                        raise TryAgain("timeout", f"{server.url + path}: no reply within {GET_S:g} s") from None
        except TryAgain as error:
            failed = error
        if failed.reason in ("unreachable", "timeout"):
            raise Gone(f"no server answers at {failed.detail}: start it, or correct --server")
        raise Failed(failed.reason, f"{failed.detail} (attempt {self.limits.attempts} of {self.limits.attempts})")

    async def _look(self, server: Server, path: str) -> str | None:
        reply = await self._peek(server, path)
        return None if reply is None or reply.status != 200 else reply.body.decode(errors="replace")

    async def _peek(self, server: Server, path: str) -> Reply | None:
        try:
            async with asyncio.timeout(LOOK_S):
                return await exchange(self._session, "GET", server.url + path, None, self._key)
        except (TimeoutError, Unreachable, TryAgain, ServerError):
            return None

    async def _note_silence(self, server: Server, started: float, said: str) -> None:
        """Tell a server that hangs from one that is slow: of the first nothing came since, and a GET gets no reply."""
        if server.answered_at < started and await self._peek(server, MODELS) is None:
            server.silent(self._time(), started, said)

    async def _ask(self, server: Server, method: str, path: str, data: bytes | None) -> Any:
        """Send one request to one server, tell the server's record what came of it, and return the reply's JSON."""
        url = server.url + path
        started = self._time()
        self.usage.n_requests += 1
        try:
            status, retry_after, body = await exchange(self._session, method, url, data, self._key)
        except Unreachable as error:
            server.unreachable(self._time(), started, str(error))
            raise
        if status in OVERLOADED:
            wait_s = retry_after_s(retry_after, self.limits.patience_s)
            said = f"{url}: HTTP {status}: {quoted(body, self._key)}"
            server.overloaded(self._time(), started, said, wait_s)
            self._note_limits()
            raise TryAgain(f"http_{status}", said, wait_s)
        self._answered(server)
        if not 200 <= status < 300:
            said = quoted(body, self._key)
            if is_worth_another_try(status):
                raise TryAgain(f"http_{status}", f"{url}: HTTP {status}: {said}")
            raise Refused(status, said, url)
        if self._key and len(self._key) >= SHORTEST_SECRET:  # a page of errors may come as 200, and replies are stored
            body = without_key(body, self._key)
        try:
            return orjson.loads(body)
        except ValueError as error:
            said = quoted(body, self._key)
            raise TryAgain("bad_json", f"{url}: {error} in a reply of {len(body)} bytes: {said}") from None

    def _answered(self, server: Server) -> None:
        self.usage.n_replies += 1
        server.answered_at = self._time()
        if server.down_since is not None:
            self.usage.waited_s += self._pool.silence_s(self._time()) or 0.0
        if server.answered():
            self._note_limits()

    def _note_limits(self) -> None:
        self.usage.limit = {server.url: int(server.limit) for server in self._servers}

    def _stop_if_gone(self) -> None:
        """Raise Gone, here and in every request that waits, where no server has answered for the patience."""
        silence_s = self._pool.silence_s(self._time())
        may_answer = any(server.n_requests and not server.is_silent for server in self._servers)
        if may_answer or silence_s is None or silence_s < self.limits.patience_s:
            return
        said = "; ".join(server.said for server in self._servers)
        message = (
            f"no server has taken a request for {silence_s:.0f} s ({said}): "
            "see to the server, then run the same command again (what is finished is kept)"
        )
        self._pool.give_up(message)
        raise Gone(message)


def _attempts(most: int) -> Any:
    """Return stamina's attempts: exponential waits with jitter, or the server's own wish."""
    return stamina.retry_context(
        _wait,
        attempts=most,
        timeout=None,
        wait_initial=FIRST_WAIT_S,
        wait_max=LONGEST_WAIT_S,
        wait_jitter=JITTER_S,
    )


def _wait(error: Exception) -> bool | float:
    """Return whether to try again, or after how many seconds where the server said so."""
    if not isinstance(error, TryAgain):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s + random.uniform(0, JITTER_S)


def _checked_key(key: str | None) -> str | None:
    """Return the key without white space around it, None where it is empty; ConfigError where no header can hold it."""
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigError("the API key has characters that no HTTP header can hold: set its environment variable again")
    return key or None
