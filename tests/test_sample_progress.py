"""What is shown while served models are sampled: the servers' load, the bar and its figures."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tqdm import tqdm

from curate.sampling.completion import Setting
from curate.sampling.dialect import Served as Completion
from curate.sampling.served import ServedSampler
from curate.sampling.vllm import VLLM
from curate.serving import Client
from curate.verbs import sample_progress
from curate.verbs.connect import Connection
from curate.verbs.sample_progress import Served, Watch
from curate.verbs.server_load import Load, load
from fake_server import FakeServer

VLLM_SAYS = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a b"} 12.0
vllm:num_requests_running{engine="1",model_name="a b"} 3.0
vllm:num_requests_running_total{engine="0"} 900.0
vllm:num_requests_waiting{engine="0",model_name="a b"} 4.0
"""


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([VLLM_SAYS], Load(15, 4)),
        ([VLLM_SAYS, None, VLLM_SAYS], Load(30, 8)),
        (["sglang:num_running_reqs{} 2\nsglang:num_queue_reqs 1.0"], Load(2, 1)),
        (["vllm:num_requests_running NaN\nvllm:num_requests_running many"], None),
        (['{"object": "list"}', "", None], None),
        ([], None),
    ],
)
def test_the_load_is_read_from_what_servers_publish(texts: list[str | None], found: Load | None) -> None:
    assert load(texts) == found


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Bars that are drawn though nobody looks on, into lists."""
    made: list[Any] = []

    def progress(total: int, verb: str, **_: Any) -> Any:
        lines: list[str] = []
        to = SimpleNamespace(write=lines.append, flush=lambda: None)
        bar = tqdm(total=total, desc=verb, file=cast(Any, to), ncols=200, mininterval=0)
        made.append((bar, lines))
        return bar

    monkeypatch.setattr("curate.stage.progress", progress)
    monkeypatch.setattr(sample_progress, "TICK_S", 0.01)
    return made


def test_a_bar_shows_tokens_load_and_failures(bars: list[Any]) -> None:
    async def watch() -> Served:
        async with Client([server.url]) as client:
            sampler = ServedSampler(client, VLLM, "fake", Setting(1.0, 1.0, 16))
            served = Served(sampler, Connection((server.url,), price_in=2.0, price_out=1e6), None)
            async with Watch(served, 10) as shown:
                shown.skip(4)
                served.add([1, 2], [Completion([5, 6, 1], [-0.1] * 3, None, "stop")] * 2, [])
                shown.done()
                shown.fail(2)
                while not any("server 15+4" in line for line in bars[0][1]):
                    await asyncio.sleep(0.01)
            sampler.counted.add({"usage": {"prompt_tokens": 2, "completion_tokens": 6}})
            return served

    with FakeServer() as server:
        server._get = lambda path: sample_metrics()  # type: ignore[method-assign]
        said = str(asyncio.run(watch()))
    bar, lines = bars[0]
    assert (bar.n, bar.initial, bar.total) == (7, 4, 10)
    assert "0/256 in flight, server 15+4, 2 failed" in "".join(lines)
    assert said.startswith(
        "sampled 1 groups, 2 completions of 6 tokens after 2 of prompts, 100.0% ended by themselves; "
    )
    assert "2 tokens of prompts and 6 of completions as the server counts; $6.00 at the prices given" in said


def sample_metrics() -> Any:
    from aiohttp import web

    return web.Response(text=VLLM_SAYS)


def test_a_server_that_publishes_nothing_is_asked_once(bars: list[Any]) -> None:
    async def watch() -> None:
        async with Client([server.url]) as client:
            sampler = ServedSampler(client, VLLM, "fake", Setting(1.0, 1.0, 16))
            async with Watch(Served(sampler, Connection((server.url,)), None), 10):
                while len(bars[0][1]) < 12:
                    await asyncio.sleep(0.01)
            assert await client.look("/metrics") == [None]
            assert client.usage.n_requests == 0

    with FakeServer() as server:
        asyncio.run(watch())
        assert server.n_gets == 2
        server.stop()
        assert asyncio.run(looked(server.url)) == [None]


async def looked(url: str) -> list[str | None]:
    async with Client([url]) as client:
        return await client.look("/metrics")
