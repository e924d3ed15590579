"""What the tests of the client share: one body, and calls that open a client on a loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from curate.serving import Client, Limits

T = TypeVar("T")
PATH = "/v1/completions"


def body(prompt: Sequence[int] = (5, 6, 7), seed: int = 0, n: int = 1) -> dict[str, Any]:
    """Return a body as the vLLM dialect sends it."""
    return {
        "model": "fake",
        "prompt": list(prompt),
        "n": n,
        "seed": seed,
        "max_tokens": 8,
        "temperature": 1.0,
        "logprobs": 0,
        "return_token_ids": True,
    }


def with_client(
    urls: Sequence[str], work: Callable[[Client], Awaitable[T]], limits: Limits | None = None, key: str | None = None
) -> T:
    """Run ``work`` with an open client."""

    async def run() -> T:
        async with Client(urls, limits or Limits(), key) as client:
            return await work(client)

    return asyncio.run(run())


def post(url: str, limits: Limits | None = None, key: str | None = None, path: str = PATH) -> Any:
    """Return the reply to one request."""
    return with_client([url], lambda client: client.post(path, body(), 11), limits, key)


def post_many(n: int, n_tokens: int = 11) -> Callable[[Client], Awaitable[list[Any]]]:
    """Return work that posts bodies of seeds 0 to n - 1 at once and returns replies and errors in order."""

    async def work(client: Client) -> list[Any]:
        requests = (client.post(PATH, body(seed=seed), n_tokens) for seed in range(n))
        return await asyncio.gather(*requests, return_exceptions=True)

    return work
