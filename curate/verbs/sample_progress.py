"""What a person sees while served models are sampled: one bar, and a line of figures at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from curate.records import Outcome
    from curate.sampling.dialect import Prompt
    from curate.sampling.dialect import Served as Completion
    from curate.sampling.served import ServedSampler
    from curate.sampling.stopping import Rule
    from curate.serving import Usage
    from curate.verbs.connect import Connection

LOOK_S = 5.0

G = TypeVar("G")
T = TypeVar("T")


class Served:
    """What this run has sampled; ``str()`` is the lines a user reads. Tokens of text alone are not known, and not counted."""

    def __init__(self, connection: Connection, rule: Rule | None) -> None:
        self.connection = connection
        self.rule = rule
        self.sampler: ServedSampler | None = None
        self.n_groups = self.n_completions = self.n_in = self.n_out = self.n_ended = 0
        self.n_unmet = 0
        self.n_failed = 0
        self._started = time.monotonic()

    def start(self, sampler: ServedSampler) -> None:
        """Start the clock: the servers have been probed."""
        self.sampler = sampler
        self._started = time.monotonic()

    def add(self, prompt: Prompt, completions: Sequence[Completion], outcomes: Sequence[Outcome]) -> None:
        """Count one group whose last reply came."""
        self.n_groups += 1
        self.n_completions += len(completions)
        self.n_in += sum(isinstance(each, int) for each in prompt)
        self.n_out += sum(len(completion.ids or ()) for completion in completions)
        self.n_ended += sum(completion.finish_reason == "stop" for completion in completions)
        self.n_unmet += self.rule is not None and not self.rule.is_met(outcomes)

    @property
    def usage(self) -> Usage | None:
        return self.sampler.client.usage if self.sampler else None

    @property
    def tokens_a_second(self) -> float:
        return self.n_out / max(time.monotonic() - self._started, 1e-9)

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        said = (
            f"sampled {self.n_groups:,} groups, {self.n_completions:,} completions of {self.n_out:,} tokens after "
            f"{self.n_in:,} of prompts, {self.n_ended / max(self.n_completions, 1):.1%} ended by themselves; "
            f"{self.n_completions / seconds:,.0f} completions/s, {self.n_out / seconds:,.0f} tokens/s"
        )
        if self.rule:
            said += f"; {self.n_unmet:,} groups never met the rule ({self.rule.text})"
        if self.usage:
            said += f"\n{_asked(self.usage, self.sampler.n_bad if self.sampler else Counter())}"
        cost = self.connection.cost(self.n_in, self.n_out)
        return said if cost is None else f"{said}, ${cost:,.2f} at the prices given"


def _asked(usage: Usage, bad: Counter[str]) -> str:
    again = f", {_reasons(usage.n_retries)} asked again" if usage.n_retries else ""
    odd = f", {_reasons(bad)} completions thrown away" if bad else ""
    waited = f", {usage.waited_s:,.0f} s without any server" if usage.waited_s >= 1 else ""
    return f"asked {usage.n_requests:,} requests{again}{odd}{waited}"


def _reasons(counts: Counter[str]) -> str:
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common())
    return f"{counts.total():,} ({listed})"


class Watch:
    """One bar for one part: groups, tokens a second, failures, and how busy the servers are."""

    def __init__(self, served: Served, n_groups: int) -> None:
        from curate.stage import progress

        self._served = served
        self._bar = progress(n_groups, "sample", unit="group")

    def done(self, key: int) -> None:
        """Count one group that is durable."""
        self._bar.set_postfix_str(self._figures(), refresh=False)
        self._bar.update()

    def counted(self, work: Callable[[G], Awaitable[T]]) -> Callable[[G], Awaitable[T]]:
        """Return ``work`` that counts what fails."""

        async def counted(group: G) -> T:
            from curate.fanout import GroupFailed

            try:
                return await work(group)
            except GroupFailed:
                self._served.n_failed += 1
                self._bar.set_postfix_str(self._figures())
                raise

        return counted

    def _figures(self) -> str:
        usage = self._served.usage
        busy = f", {usage.n_in_flight} of {sum(usage.limit.values())} in flight" if usage else ""
        waiting = f", {usage.n_waiting} wait" if usage and usage.n_waiting else ""
        failed = f", {self._served.n_failed} failed" if self._served.n_failed else ""
        return f"{self._served.tokens_a_second:,.0f} tokens/s{busy}{waiting}{failed}"

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
