"""A served model on loopback that speaks vLLM's and SGLang's protocols, and fails as often as it is told to.

    with FakeServer(faults={"503": 0.02, "reset": 0.01}) as server:
        ... server.url ...

Replies follow from (prompt ids, seed + i): see ``fake_model``. Faults are drawn per POST from a seeded generator.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import orjson
from aiohttp import web

import fake_model
from fake_faults import FAULTS, spoil
from fake_shapes import Asked, chat_completion, completion, generate, most_tokens, prompt_ids


@dataclass
class FakeServer:
    """A context manager; every field but the counters may be changed while it runs.

    ``faults``: rate of each of ``fake_faults.FAULTS``; ``spared``: so many POSTs first come through without one.
    ``delay_s``: time of a reply. ``capacity``: more POSTs at once than this get 429. ``refuse``: a reason to answer a body with 400.
    ``chat``: the content of a chat reply to a body (else ids as text). ``guided``: False refuses ``response_format``.
    ``children``: seeds of the choices of one request, "spaced" (seed + i, as vLLM does), "same" or "random".
    ``most_choices``: give no more than so many, whatever n says. ``logprobs_mode``: of the log-probs when T != 1.
    ``complete``: (prompt ids, seed, max_tokens) -> ids; ``decode``: ids -> text. ``api_key``: others get 401, echoed.
    ``plain``: (path) -> (status, headers, bytes), sent as they are in place of every reply.
    """

    faults: Mapping[str, float] = field(default_factory=dict)
    fault_seed: int = 0
    spared: int = 0
    delay_s: float = 0.0
    capacity: int | None = None
    retry_after: str = "0"
    model: str = "fake"
    max_model_len: int = 2048
    vocabulary: int = 32
    eos_id: int = fake_model.EOS_ID
    api_key: str | None = None
    guided: bool = True
    children: Literal["spaced", "same", "random"] = "spaced"
    most_choices: int | None = None
    logprobs_mode: Literal["raw", "processed"] = "raw"
    refuse: Callable[[dict[str, Any]], str | None] | None = None
    chat: Callable[[dict[str, Any]], str] | None = None
    complete: Callable[[Sequence[int], int, int], list[int]] | None = None
    plain: Callable[[str], tuple[int, Mapping[str, str], bytes]] | None = None
    decode: Callable[[Sequence[int]], str] = lambda ids: " ".join(map(str, ids))

    n_requests: int = 0
    n_gets: int = 0
    n_at_once: int = 0
    most_at_once: int = 0
    n_faults: Counter[str] = field(default_factory=Counter)
    answered: Counter[tuple[tuple[int, ...], int]] = field(default_factory=Counter)
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=1000))
    authorizations: set[str | None] = field(default_factory=set)
    port: int = 0

    def __post_init__(self) -> None:
        assert set(self.faults) <= FAULTS, f"unknown faults: {set(self.faults) - FAULTS}"
        self._random = random.Random(self.fault_seed)
        self._runner: web.ServerRunner | None = None
        self._open: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Listen: on a port of the kernel's choice the first time, and on the same one ever after."""
        self._do(self._start())

    def stop(self) -> None:
        """Stop as a killed server does: connections that wait for a reply are reset, later ones refused."""
        self._do(self._stop())

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        self._closing = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        for transport in list(self._open):
            reset(transport)
        self._closing.set()
        await self._runner.cleanup()
        self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.authorizations.add(request.headers.get("Authorization"))
        if self.api_key and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return refusal(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
        if request.method == "GET":
            self.n_gets += 1
            return self._get(request.path)
        self.n_requests += 1
        self.n_at_once += 1
        self.most_at_once = max(self.most_at_once, self.n_at_once)
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        try:
            return await self._post(request)
        finally:
            self.n_at_once -= 1
            self._open.discard(transport)

    def _get(self, path: str) -> web.Response:
        card = {"id": self.model, "object": "model", "owned_by": "vllm", "max_model_len": self.max_model_len}
        replies: dict[str, object] = {
            "/v1/models": {"object": "list", "data": [card]},
            "/version": {"version": "0.0.fake"},
            "/health": {},
            "/get_model_info": {"model_path": self.model, "tokenizer_path": self.model, "is_generation": True},
            "/get_server_info": {"model_path": self.model, "context_length": self.max_model_len, "version": "0.0.fake"},
        }
        return reply(replies[path]) if path in replies else refusal(404, "Not Found")

    async def _post(self, request: web.BaseRequest) -> web.StreamResponse:
        body = orjson.loads(await request.content.read())  # request.read() has a ceiling of 1 MiB
        self.bodies.append(body)
        if self.capacity is not None and self.n_at_once > self.capacity:
            return refusal(429, "too many requests")
        fault = self._fault()
        if self.delay_s:
            await self._sleep(self.delay_s)
        if fault in ("429", "500", "503"):
            return refusal(int(fault), "a fault")
        if fault == "429_retry_after":
            return refusal(429, "a fault", {"Retry-After": self.retry_after})
        if fault == "reset" and request.transport is not None:
            reset(request.transport)
        if fault == "stall":
            await self._sleep(3600)
        if self.plain is not None:
            status, headers, data = self.plain(request.path)
            return web.Response(body=data, status=status, headers=headers)
        refused = self._refusal(request.path, body)
        if refused is not None:
            return refused
        answer, keys = self._answer(request.path, body)
        data = orjson.dumps(answer) if fault is None else spoil(fault, answer, body)
        if fault in ("drip", "cut_off"):
            return await self._drip(request, data, fault)
        if fault is None:
            self.answered.update(keys)
        return web.Response(body=data, content_type="application/json")

    def _fault(self) -> str | None:
        draw = self._random.random()
        if self.n_requests <= self.spared:
            return None
        for name, rate in self.faults.items():
            draw -= rate
            if draw < 0:
                self.n_faults[name] += 1
                return name
        return None

    def _refusal(self, path: str, body: dict[str, Any]) -> web.Response | None:
        if path not in ("/v1/completions", "/v1/chat/completions", "/generate"):
            return refusal(404, "Not Found")
        if path != "/generate" and body.get("model") != self.model:
            return refusal(404, f"The model `{body.get('model')}` does not exist.")
        if not self.guided and {"response_format", "structured_outputs", "guided_json"} & set(body):
            return refusal(400, "response_format is not supported")
        reason = self.refuse(body) if self.refuse else None
        n_prompt = len(prompt_ids(path, body))
        if reason is None and n_prompt + most_tokens(path, body) > self.max_model_len:
            reason = (
                f"This model's maximum context length is {self.max_model_len} tokens. However, you requested "
                f"{most_tokens(path, body)} output tokens and your prompt contains {n_prompt} input tokens."
            )
        return None if reason is None else refusal(400, reason)

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[Any, list[tuple[tuple[int, ...], int]]]:
        prompt, setting = prompt_ids(path, body), body.get("sampling_params", body)
        temperature = setting.get("temperature", 1.0)
        scale = temperature if self.logprobs_mode == "processed" and temperature > 0 else 1.0
        seeds = self._seeds(setting)
        choices = []
        for seed in seeds:
            ids = self._ids(prompt, 0 if temperature == 0 else seed, most_tokens(path, body))
            choices.append((ids, fake_model.logprobs(prompt, ids, scale)))
        keys = [(tuple(prompt), seed) for seed in seeds]
        asked = Asked(body, prompt, self.n_requests, self.model, self.eos_id, self.decode, self.chat)
        shape = {"/v1/completions": completion, "/v1/chat/completions": chat_completion, "/generate": generate}[path]
        return shape(asked, choices), keys

    def _ids(self, prompt: list[int], seed: int, most: int) -> list[int]:
        if self.complete is not None:
            return self.complete(prompt, seed, most)[:most]
        return fake_model.complete(prompt, seed, most, self.vocabulary, self.eos_id)

    def _seeds(self, setting: dict[str, Any]) -> list[int]:
        n = min(setting.get("n") or 1, self.most_choices or 1 << 30)
        seed = setting.get("seed", setting.get("sampling_seed"))
        if seed is None or self.children == "random":
            return [self._random.getrandbits(40) for _ in range(n)]
        return [seed + (i if self.children == "spaced" else 0) for i in range(n)]

    async def _drip(self, request: web.BaseRequest, data: bytes, fault: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data)), "Content-Type": "application/json"})
        await response.prepare(request)
        if fault == "cut_off":
            await response.write(data[: len(data) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        for start in range(len(data)):
            if request.transport is None or request.transport.is_closing():
                break
            await response.write(data[start : start + 1])
            await self._sleep(0.05)
        return response

    async def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON reply."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error the way vLLM words it."""
    return reply({"error": {"message": message, "type": "FakeError", "param": None, "code": status}}, status, headers)


def reset(transport: asyncio.Transport) -> None:
    """Break a connection with a TCP reset."""
    if transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
