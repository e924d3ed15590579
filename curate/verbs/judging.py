"""A verifier at work in a verb: in this process where it is bounded, in a pool of worker processes where it is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from curate.jobrecord import JobRecord
    from curate.records import Verdict
    from curate.verifying import Limits, Verifier
    from curate.verifying.workers.pool import Pool

Sample = tuple[str | None, str | None]  # completion and answer
MEMO = 1 << 16


@dataclass(frozen=True)
class Choice:
    """A verifier as a user chose it: its name, its settings, and limits where they are not its own."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    memory: int | None = None

    @classmethod
    def of(cls, name: str, set_: Sequence[str] | None, timeout: float | None = None, memory: int | None = None) -> Self:
        """Return the choice that ``KEY=VALUE`` settings and options make; raises ConfigError."""
        from curate.job import split_setting

        return cls(name, dict(split_setting(setting) for setting in set_ or []), timeout, memory)

    @classmethod
    def recorded(cls, record: JobRecord) -> Self:
        """Return the choice that a job record keeps."""
        limits = record.parameters.get("limits") or {}
        settings = record.parameters.get("settings", {}) | record.about.get("places", {})
        return cls(record.parameters["verifier"], settings, limits.get("seconds"), limits.get("memory_mb"))

    @cached_property
    def verifier(self) -> Verifier:
        """The verifier; raises ConfigError for an unknown name or setting, and for limits of one that needs none."""
        from curate.errors import ConfigError
        from curate.verbs.lookup import find_verifier

        made = find_verifier(self.name, self.settings)
        if made.limits is None:
            if self.timeout is not None or self.memory is not None:
                raise ConfigError(
                    f"verifier {self.name} is bounded and runs in this process: it takes no timeout or memory"
                )
            return made
        seconds, memory_mb = self.timeout or made.limits.seconds, self.memory or made.limits.memory_mb
        return replace(made, limits=replace(made.limits, seconds=seconds, memory_mb=memory_mb))

    @property
    def limits(self) -> Limits | None:
        return self.verifier.limits

    @property
    def parameters(self) -> dict[str, Any]:
        """What verdicts follow from, for a job record."""
        from dataclasses import asdict

        judging = {name: value for name, value in self.settings.items() if name not in self.verifier.places}
        settings = {"settings": judging} if judging else {}
        limits = {"limits": asdict(self.limits)} if self.limits else {}
        return {"verifier": self.name} | settings | limits

    @property
    def about(self) -> dict[str, Any]:
        """Where the judge is found, for a job record: recorded, not compared."""
        places = {name: value for name, value in self.settings.items() if name in self.verifier.places}
        return {"places": places} if places else {}


class Judging:
    """Judges samples with the verifier of a choice; a context manager that opens the pool where one is needed."""

    def __init__(self, choice: Choice, n_workers: int | None = None) -> None:
        self.verifier, self._choice, self._n_workers = choice.verifier, choice, n_workers
        self._opened = ExitStack()
        self._pool: Pool | None = None
        self._known: dict[tuple[str | None, str], Verdict] = {}

    @property
    def is_pooled(self) -> bool:
        return self.verifier.limits is not None

    def __enter__(self) -> Self:
        if self.verifier.limits is not None:
            from curate.verifying.workers.pool import Pool

            pool = Pool(self._choice.name, self._choice.settings, self.verifier.limits, self._n_workers)
            self._pool = self._opened.enter_context(pool)
        return self

    def __exit__(self, *raised: Any) -> None:
        self._opened.__exit__(*raised)

    def verdicts(self, samples: Iterable[Sample]) -> Iterator[tuple[Verdict, float]]:
        """Yield the verdict on every sample and the seconds it took, in order; each distinct answer is compared once.

        Without a text or an answer there is nothing to judge: outcome ``error``.
        """
        if self._pool is None:
            return (self._judged(completion, answer) for completion, answer in samples)
        return self._pooled(self._pool, samples)

    def compared(self, pairs: Iterable[tuple[str | None, str]]) -> Iterator[tuple[Verdict, float]]:
        """Yield the verdict on every (extracted, answer) pair, in order."""
        if self._pool is None:
            return ((self.verifier.compare(*pair), 0.0) for pair in pairs)
        return self._pool.verdicts(pairs)

    def _judged(self, completion: str | None, answer: str | None) -> tuple[Verdict, float]:
        from time import perf_counter

        started = perf_counter()
        if why := _nothing_to_judge(completion, answer):
            return why, 0.0
        pair = (self.verifier.extract(completion or ""), answer or "")
        if (found := self._known.get(pair)) is None:
            if len(self._known) >= MEMO:
                self._known.clear()
            found = self._known[pair] = self.verifier.compare(*pair)
        return found, perf_counter() - started

    def _pooled(self, pool: Pool, samples: Iterable[Sample]) -> Iterator[tuple[Verdict, float]]:
        told: deque[Verdict | None] = deque()  # in the order of the samples; null where the pool will say

        def pairs() -> Iterator[tuple[str | None, str]]:
            for completion, answer in samples:
                told.append(_nothing_to_judge(completion, answer))
                if told[-1] is None:
                    yield self.verifier.extract(completion or ""), answer or ""

        for found in pool.verdicts(pairs()):
            while (why := told.popleft()) is not None:
                yield why, 0.0
            yield found
        yield from ((why, 0.0) for why in told if why is not None)


def _nothing_to_judge(completion: str | None, answer: str | None) -> Verdict | None:
    from curate.records import Verdict

    if completion is None:
        return Verdict("error", detail="no completion text: import with --tokenizer PATH")
    return Verdict("error", detail="the prompt has no answer") if answer is None else None
