"""Claim: asking a served model costs little more than the bare HTTP loop: 70 % of its requests a second, 5 % of wall time.

    python benchmarks/sample.py [--tokens 128] [--rounds 5] [--seconds 4]
    python benchmarks/sample.py --memory [--prompts 100000]
    python benchmarks/sample.py --vllm URL --model NAME --tokenizer PATH [--prompts 2048]

The first form asks a server that answers at once (benchmarks/instant.py, a process of its own) for groups of 16 with ids
and log-probs, 256 requests in flight, and takes turns between

- floor: a bare aiohttp loop that sends the same bodies, reads each reply and parses it with orjson, and looks at nothing;
- ours: ``ServedSampler`` over ``Client``, every id and log-prob checked;
- openai: the openai package's ``AsyncOpenAI``, which looks at nothing either.

Figures are medians over the rounds; CPU seconds are those of the client's process for a million new tokens. Reach: ours at
least 0.70 of the floor. Then the whole command, `curate sample --server`, from its start to the written table.

``--memory`` samples 100,000 prompts x 8 with the real command: most resident memory (limit 600 MB), and the time from
the start of a run that follows a kill -9 at 90 % to its first new request (limit 10 s).

``--vllm`` is the wall time of `curate sample --server` against a bare loop with the same requests on a real server
(limit 5 % over), say of `"$CURATE_VLLM" serve VENV curate/policies/countdown-strong 8000 --max-model-len 64
--served-model-name countdown-strong`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from openai import AsyncOpenAI

from curate.dataset import Dataset
from curate.ids import group_id
from curate.models.fingerprint import fingerprint
from curate.models.tokenizer import load_tokenizer
from curate.sampling.completion import Setting
from curate.sampling.dialect import Ask
from curate.sampling.seeds import sample_seeds
from curate.sampling.served import ServedSampler
from curate.sampling.vllm import VLLM
from curate.serving import Client, Limits
from curate.verbs.lookup import POLICIES

IN_FLIGHT, N = 256, 16
REACH, MOST_MB, MOST_S, MOST_OVER = 0.70, 600, 10, 1.05
GROUP_SIZE, MOST_NEW = 32, 40  # of the real server's samples
KILLED_AT = 0.9  # late: memory has had its time to grow, and the next run has the most to read before it goes on
JSON = {"Content-Type": "application/json"}
TOKENIZER = POLICIES / "countdown-strong"
INSTANT = Path(__file__).with_name("instant.py")
CURATE = [sys.executable, "-c", "from curate.cli import main; main()"]
PROMPT = [3 + place % 19 for place in range(64)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 128], help="new tokens a completion")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each contender's turn")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--vllm", metavar="URL")
    parser.add_argument("--model", default="countdown-strong")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER)
    parser.add_argument("--prompts", type=int)
    options = parser.parse_args()
    print(
        f"aiohttp {aiohttp.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {IN_FLIGHT} in flight"
    )
    if options.vllm:
        against_vllm(options.vllm, options.model, options.tokenizer, options.prompts or 2048, options.rounds)
    elif options.memory:
        memory(options.prompts or 100_000)
    else:
        for n_tokens in options.tokens:
            with instant(n_tokens) as url:
                report(n_tokens, asyncio.run(taking_turns(url, n_tokens, options.rounds, options.seconds)))
                whole_command(url, n_tokens, options.prompts or 4_000)


# The clients, taking turns


@dataclass(frozen=True)
class Turn:
    """What one contender did in its turn."""

    n_requests: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.n_requests / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU seconds a request, which other work on the machine changes little."""
        return self.cpu_s / self.n_requests


Asking = Callable[[int], Awaitable[Any]]


async def taking_turns(url: str, n_tokens: int, n_rounds: int, seconds: float) -> dict[str, list[Turn]]:
    """Return every round's turn of each contender; the round that warms up is left out."""
    turns: dict[str, list[Turn]] = {}
    contenders = {"floor": floor, "ours": ours, "openai": openai}
    for turn in range(n_rounds + 1):
        for name, contender in contenders.items():
            async with contender(url, n_tokens) as ask:
                found = await asked_for(ask, seconds)
            if turn:
                turns.setdefault(name, []).append(found)
    return turns


async def asked_for(ask: Asking, seconds: float) -> Turn:
    """Ask with so many in flight for some seconds, each time with the next seed; requests in flight at the end count."""
    started, cpu, seeds = time.perf_counter(), time.process_time(), itertools.count(0, N)
    n_requests = 0

    async def keep_asking() -> None:
        nonlocal n_requests
        while time.perf_counter() - started < seconds:
            await ask(next(seeds))
            n_requests += 1

    await asyncio.gather(*(keep_asking() for _ in range(IN_FLIGHT)))
    return Turn(n_requests, time.perf_counter() - started, time.process_time() - cpu)


@contextlib.asynccontextmanager
async def floor(url: str, n_tokens: int) -> AsyncIterator[Asking]:
    path, body = asked_body(n_tokens)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(seed: int) -> Any:
            async with session.post(url + path, data=orjson.dumps(body | {"seed": seed}), headers=JSON) as reply:
                return orjson.loads(await reply.read())

        yield ask


@contextlib.asynccontextmanager
async def ours(url: str, n_tokens: int) -> AsyncIterator[Asking]:
    async with Client([url], Limits(max_requests=IN_FLIGHT, max_tokens=10**9)) as client:
        sampler = ServedSampler(client, VLLM, "instant", Setting(max_new_tokens=n_tokens))
        yield lambda seed: sampler.sample(PROMPT, N, seed)


@contextlib.asynccontextmanager
async def openai(url: str, n_tokens: int) -> AsyncIterator[Asking]:
    _, body = asked_body(n_tokens)
    named = {"model", "prompt", "n", "max_tokens", "temperature", "top_p", "logprobs"}
    known = {name: value for name, value in body.items() if name in named}
    other = {name: value for name, value in body.items() if name not in {*named, "seed", "stream"}}
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600) as client:
        yield lambda seed: client.completions.create(**known, seed=seed, extra_body=other)


def asked_body(n_tokens: int) -> tuple[str, dict[str, Any]]:
    """Return path and body of what the sampler asks: all contenders send it."""
    return VLLM.request(Ask(PROMPT, N, 0, Setting(max_new_tokens=n_tokens), "instant"))


def report(n_tokens: int, turns: dict[str, list[Turn]]) -> None:
    print(f"groups of {N} x {n_tokens} tokens, medians of {len(turns['floor'])} rounds")
    for name, found in turns.items():
        rates = [turn.rate for turn in found]
        rate, spread = statistics.median(rates), f"{min(rates):,.0f} .. {max(rates):,.0f}"
        cpu = statistics.median(turn.cpu_each / (N * n_tokens) * 1e6 for turn in found)
        print(
            f"  {name:6} {rate:7,.0f} requests/s ({spread}), {rate * N * n_tokens:10,.0f} tokens/s, {cpu:5.2f} CPU s a million tokens"
        )
    for other in ("floor", "openai"):
        pairs = list(zip(turns["ours"], turns[other], strict=True))
        ratios = [ours.rate / theirs.rate for ours, theirs in pairs]
        ratio, by_cpu = statistics.median(ratios), statistics.median(b.cpu_each / a.cpu_each for a, b in pairs)
        reached = f"; {verdict(ratio >= REACH)} {REACH}" if other == "floor" else ""
        print(
            f"  ours / {other} {ratio:.2f} ({min(ratios):.2f} .. {max(ratios):.2f}), by CPU time {by_cpu:.2f}{reached}"
        )


def verdict(is_reached: bool) -> str:
    return "within" if is_reached else "NOT within"


@contextlib.contextmanager
def instant(n_tokens: int) -> Iterator[str]:
    """Run the server that answers at once, and give its URL."""
    line = [sys.executable, str(INSTANT), "--tokens", str(n_tokens)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/stats", timeout=30) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


# The whole command


def whole_command(url: str, n_tokens: int, n_prompts: int) -> None:
    """Print what `curate sample --server` does from its start to its end, journal, checks and tables included."""
    with tempfile.TemporaryDirectory() as folder:
        data = prompts(Path(folder), n_prompts)
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command(data, url, "instant", TOKENIZER, n_tokens, N), check=True, capture_output=True)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    n_new = n_prompts * N * n_tokens
    print(
        f"  whole command: {n_prompts:,} groups of {N} in {seconds:.1f} s: {n_prompts / seconds:,.0f} requests/s, "
        f"{n_new / seconds:,.0f} tokens/s, {cpu / n_new * 1e6:.2f} CPU s a million tokens"
    )


def prompts(folder: Path, n: int) -> Path:
    """Return a dataset of n different prompts in the letters of the countdown tokenizer."""
    rng = random.Random(0)
    with (folder / "prompts.jsonl").open("w") as lines:
        for place in range(n):
            a, b, c = (rng.randrange(1, 13) for _ in range(3))
            lines.write(json.dumps({"prompt": f"{a} {b} {c}:{place}>"}) + "\n")
    data = folder / "data"
    subprocess.run(
        [*CURATE, "prompts", str(folder / "prompts.jsonl"), "--to", str(data)], check=True, capture_output=True
    )
    return data


def command(data: Path, url: str, model: str, tokenizer: Path, n_tokens: int, group_size: int) -> list[str]:
    named = ["--server", url, "--model", model, "--tokenizer", str(tokenizer)]
    asked = ["--group-size", str(group_size), "--max-new-tokens", str(n_tokens), "--max-requests", str(IN_FLIGHT)]
    return [*CURATE, "sample", str(data), *named, *asked]


# Memory, and how soon a killed run goes on


def memory(n_prompts: int, group_size: int = 8, n_tokens: int = 32) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = prompts(Path(folder), n_prompts)
        with instant(n_tokens) as url:
            first = Run(command(data, url, "instant", TOKENIZER, n_tokens, group_size))
            first.until(lambda: stats(url)["n_choices"] >= n_prompts * group_size * KILLED_AT)
            first.process.send_signal(signal.SIGKILL)
            first.until(lambda: False)
        with instant(n_tokens) as url:
            second = Run(command(data, url, "instant", TOKENIZER, n_tokens, group_size))
            second.until(lambda: False)
            found = stats(url)
        query = "SELECT count(*) AS n, count(DISTINCT (group_id, sample_index)) AS different FROM samples"
        rows = subprocess.run([*CURATE, "sql", str(data), query, "--json"], check=True, capture_output=True, text=True)
    resumed_s = found["second_prompt_at"] - second.started
    peak = max(first.peak_mb, second.peak_mb)
    print(
        f"{n_prompts:,} prompts x {group_size} of {n_tokens} tokens, killed at {KILLED_AT:.0%}: rows {' '.join(rows.stdout.split())}"
    )
    print(f"  most resident memory {first.peak_mb:,.0f} MB, after the kill {second.peak_mb:,.0f} MB")
    print(f"  {first.seconds:.1f} s to the kill, {second.seconds:.1f} s after it: {found['n_choices']:,} asked again")
    print(f"  first new request {resumed_s:.1f} s after the start of the run that goes on")
    print(f"  {verdict(peak <= MOST_MB)} {MOST_MB} MB, {verdict(resumed_s <= MOST_S)} {MOST_S} s")


class Run:
    """A command, and the most memory it was seen to hold."""

    def __init__(self, line: list[str]) -> None:
        self.started, self.peak_mb, self.seconds = time.time(), 0.0, 0.0
        self.process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)

    def until(self, is_reached: Callable[[], bool]) -> None:
        """Watch the command until it ends, or something is reached."""
        while self.process.poll() is None and not is_reached():
            self.peak_mb = max(self.peak_mb, peak_mb(self.process.pid))
            time.sleep(0.1)
        self.seconds = time.time() - self.started
        if self.process.returncode not in (None, 0, -signal.SIGKILL):
            assert self.process.stderr
            sys.exit(self.process.stderr.read())


def peak_mb(pid: int) -> float:
    """Return the most memory a process held resident so far, in MB of 10^6 bytes; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)


# A real server


def against_vllm(url: str, model: str, tokenizer: Path, n_prompts: int, n_rounds: int) -> None:
    """Print the wall time of the whole command over that of a bare loop with the same requests, taking turns."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "data"
        line = [*CURATE, "prompts", "countdown", "--to", str(template), "--n", str(n_prompts)]
        subprocess.run(line, check=True, capture_output=True)
        bodies = list(same_bodies(template, model, tokenizer))
        for turn in range(n_rounds):
            data = Path(folder) / f"data-{turn}"
            shutil.copytree(template, data)
            line = command(data, url, model, tokenizer, MOST_NEW, GROUP_SIZE)
            turns = {"bare": lambda: asyncio.run(bare_loop(url, bodies)), "whole": lambda line=line: said(line)}
            took = {name: timed(turns[name]) for name in (turns if turn % 2 else reversed(turns))}
            ratios.append(took["whole"] / took["bare"])
            print(
                f"  bare loop {took['bare']:.1f} s, `curate sample` {took['whole']:.1f} s: {ratios[-1]:.3f}", flush=True
            )
    ratio = statistics.median(ratios)
    print(
        f"{n_prompts:,} prompts x {GROUP_SIZE}: `curate sample` / bare loop {ratio:.3f}; {verdict(ratio <= MOST_OVER)} {MOST_OVER}"
    )


def same_bodies(data: Path, model: str, tokenizer: Path) -> Iterator[bytes]:
    """Yield what the command asks for these prompts, request by request."""
    loaded, setting = load_tokenizer(tokenizer), Setting(max_new_tokens=MOST_NEW)
    named = {"temperature": setting.temperature, "top_p": setting.top_p, "max_new_tokens": setting.max_new_tokens}
    rows = Dataset(data).scan("prompts").select("prompt_id", "prompt").collect()
    for prompt_id, prompt in rows.iter_rows():
        key = group_id([prompt_id, model, fingerprint(tokenizer), named])
        for seed in sample_seeds(0, key, GROUP_SIZE)[::N]:
            yield orjson.dumps(VLLM.request(Ask(loaded(prompt)["input_ids"], N, seed, setting, model))[1])


async def bare_loop(url: str, bodies: list[bytes]) -> None:
    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def keep_asking() -> None:
            for body in waiting:
                async with session.post(f"{url}/v1/completions", data=body, headers=JSON) as reply:
                    orjson.loads(await reply.read())

        await asyncio.gather(*(keep_asking() for _ in range(IN_FLIGHT)))


def said(line: list[str]) -> None:
    done = subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False)
    print("  " + done.stderr.strip().replace("\n", "\n  "))
    done.check_returncode()


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
