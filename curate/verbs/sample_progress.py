"""What a person sees while served models are asked: one bar over all parts; and of sampling, some figures at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from curate.console import dollars
from curate.verbs.sample_groups import met_told, when_met
from curate.verbs.server_load import METRICS, Load, load

if TYPE_CHECKING:
    from curate.records import Outcome
    from curate.sampling.dialect import Prompt
    from curate.sampling.dialect import Served as Completion
    from curate.sampling.served import ServedSampler
    from curate.sampling.stopping import Rule
    from curate.serving import Client, Usage
    from curate.verbs.connect import Connection

TICK_S = 1.0
LOOK_EVERY = 5


class Watched(Protocol):
    """What a bar shows of a stage: groups or rows that failed, tokens (asked, answered) so far, and seconds."""

    n_failed: int

    @property
    def client(self) -> Client: ...
    @property
    def tokens(self) -> tuple[int, int]: ...
    @property
    def seconds(self) -> float: ...


class Served:
    """What this run has sampled since the servers were probed; ``str()`` is the lines a user reads."""

    def __init__(self, sampler: ServedSampler, connection: Connection, rule: Rule | None) -> None:
        self.sampler = sampler
        self.connection = connection
        self.rule = rule
        self.n_groups = self.n_completions = self.n_in = self.n_out = self.n_ended = self.n_failed = 0
        self.n_met: Counter[str] = Counter()
        self._started = time.monotonic()

    def add(self, prompt: Prompt, completions: Sequence[Completion], outcomes: Sequence[Outcome]) -> None:
        """Count one group whose last reply came."""
        self.n_groups += 1
        self.n_completions += len(completions)
        self.n_in += sum(isinstance(each, int) for each in prompt)
        self.n_out += sum(len(completion.ids or ()) for completion in completions)
        self.n_ended += sum(completion.finish_reason == "stop" for completion in completions)
        if self.rule:
            self.n_met[when_met(self.rule, outcomes)] += 1

    @property
    def client(self) -> Client:
        return self.sampler.client

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of prompts and of completions: of the groups, where they came with ids; else as the server counts."""
        counted = self.sampler.counted
        is_exact = self.sampler.dialect.is_token_exact
        return (self.n_in, self.n_out) if is_exact else (counted.n_prompt, counted.n_completion)

    def __str__(self) -> str:
        n_in, n_out = self.tokens
        said = (
            f"sampled {self.n_groups:,} groups, {self.n_completions:,} completions of {n_out:,} tokens after "
            f"{n_in:,} of prompts, {self.n_ended / max(self.n_completions, 1):.1%} ended by themselves; "
            f"{self.n_completions / self.seconds:,.0f} completions/s, {n_out / self.seconds:,.0f} tokens/s"
        )
        return "\n".join([said, *([met_told(self.rule, self.n_met)] if self.rule else []), self._asked()])

    def _asked(self) -> str:
        usage, counted, bad = self.sampler.client.usage, self.sampler.counted, self.sampler.n_bad
        odd = f", {_reasons(bad)} completions thrown away" if bad else ""
        said = (
            f"asked {usage.n_requests:,} requests: {counted.n_prompt:,} tokens of prompts and {counted.n_completion:,} of "
            f"completions as the server counts{trouble_told(usage)}{odd}"
        )
        silent = f"; {counted.n_silent:,} replies gave no count" if counted.n_silent else ""
        cost = self.connection.cost(counted.n_prompt, counted.n_completion)
        at_least = "at least " if counted.n_silent else ""
        return said + silent + ("" if cost is None else f"; {at_least}{dollars(cost)} at the prices given")


def trouble_told(usage: Usage) -> str:
    """Return how often a client asked again and how long it had no server, to end a sentence; empty for no trouble."""
    again = f", {_reasons(usage.n_retries)} asked again" if usage.n_retries else ""
    return again + (f", {usage.waited_s:,.0f} s without any server" if usage.waited_s >= 1 else "")


def _reasons(counts: Counter[str]) -> str:
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    return f"{counts.total():,} ({listed})"


class Watch:
    """One bar over the groups of all parts: groups, time left, tokens a second, failures, and how busy the servers are.

    An async context manager: where somebody looks on, it is drawn every second, and the servers are asked for their load
    every five.
    """

    def __init__(self, served: Watched, n_groups: int, verb: str = "sample") -> None:
        from curate.stage import progress

        self._served = served
        self._load: Load | None = None
        self._lock = threading.Lock()  # parts are made in several threads
        self._bar = progress(n_groups, verb, unit="group")
        self._bar.smoothing = 0  # groups end in bursts: the mean rate tells the time left better

    def skip(self, n_groups: int) -> None:
        """Count groups that an earlier run has finished: they say nothing of the rate."""
        if self._bar.disable:
            return
        with self._lock:
            self._bar.initial += n_groups
            self._bar.n += n_groups

    def done(self, n_groups: int = 1) -> None:
        """Count groups of this run that are durable, or have failed."""
        with self._lock:
            self._bar.update(n_groups)

    def fail(self, n_groups: int) -> None:
        """Count groups that failed."""
        self._served.n_failed += n_groups
        self.done(n_groups)

    async def _draw(self) -> None:
        client, has_load = self._served.client, True
        for tick in range(1 << 62):
            await asyncio.sleep(TICK_S)
            if has_load and tick % LOOK_EVERY == 0:
                self._load = load(await client.look(METRICS))
                has_load = self._load is not None or tick > 0  # a server that is away for a while is asked again
            with self._lock:
                self._bar.set_postfix_str(self._figures())

    def _figures(self) -> str:
        served, usage = self._served, self._served.client.usage
        figures = [
            f"{served.tokens[1] / served.seconds:,.0f} tokens/s",
            f"{usage.n_in_flight}/{sum(usage.limit.values())} in flight",
        ]
        if self._load:
            figures.append(f"server {self._load.n_running:,}+{self._load.n_waiting:,}")
        if served.n_failed:
            figures.append(f"{served.n_failed:,} failed")
        return ", ".join(figures)

    async def __aenter__(self) -> Watch:
        self._drawing = None if self._bar.disable else asyncio.create_task(self._draw())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
        self._bar.close()
