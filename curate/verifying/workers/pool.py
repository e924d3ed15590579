"""A pool of worker processes for verifiers that may hang, swell or die; each distinct pair gets one verdict."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

from curate.records import Outcome, Verdict
from curate.verifying.verifier import Limits
from curate.verifying.workers.dispatch import Dispatcher
from curate.verifying.workers.process import Ask

Pair = tuple[str | None, str]
MOST_AHEAD, MOST_CHARACTERS = 100_000, 1 << 26  # submitted before the first of them is answered
MEMO = 1 << 18  # verdicts a generation keeps; the last two are kept


def n_cores() -> int:
    """Return how many processes can run at one time here."""
    return len(os.sched_getaffinity(0))


class Pool:
    """``n_workers`` processes that compare pairs with the verifier of this name and these settings.

    A context manager; entering it raises ConfigError or VerifierError where the verifier cannot be made there. A
    comparison that takes more than ``limits.seconds`` is ``timeout``; one that takes more than ``limits.memory_mb``
    (beyond what the verifier takes at rest, everything it starts included) is ``error``, detail ``memory_limit``; one whose
    process ends is ``error``, detail ``worker died: ...``; one that raises is ``error`` with the exception. The
    process is replaced, the other pairs go on. What others left behind in a process is not held against a pair: it is
    compared once more in a fresh one before ``memory_limit`` or ``worker died`` is its verdict. ``n_compared`` counts the
    pairs that were not known.
    """

    def __init__(
        self, name: str, settings: Mapping[str, Any] | None, limits: Limits, n_workers: int | None = None
    ) -> None:
        self._dispatcher = Dispatcher(name, dict(settings or {}), limits, n_workers or n_cores())
        self._lock = threading.Lock()
        self._young: dict[bytes, Ask | _Known] = {}
        self._old: dict[bytes, Ask | _Known] = {}
        self.n_compared = 0

    def __enter__(self) -> Self:
        self._dispatcher.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._dispatcher.__exit__(*raised)

    def verdicts(self, pairs: Iterable[Pair]) -> Iterator[tuple[Verdict, float]]:
        """Yield the verdict on every pair of (extracted, answer) and the seconds it took, in order.

        The seconds of a pair that was known are 0. Pairs are taken ahead of what is yielded, up to a bound. May be called
        in several threads at one time. Raises VerifierError where the pool cannot go on.
        """
        waiting: deque[_Place] = deque()
        n_characters = 0
        for extracted, answer in pairs:
            waiting.append(self._place(extracted, answer))
            n_characters += waiting[-1].size
            while waiting and (waiting[0].is_settled or len(waiting) > MOST_AHEAD or n_characters > MOST_CHARACTERS):
                place = waiting.popleft()
                n_characters -= place.size
                yield self._verdict(place)
        while waiting:
            yield self._verdict(waiting.popleft())

    def _place(self, extracted: str | None, answer: str) -> _Place:
        """Return the place of a pair in the queue of one caller; it is submitted where it is new."""
        try:
            key = _key(extracted, answer)
        except UnicodeEncodeError:
            return _Place(None, b"", _Known("error", "the completion or the answer is no Unicode text", None, False), 0)
        with self._lock:
            found = self._young.get(key) or self._old.get(key)
            if found is None:
                self.n_compared += 1
                found = self._young[key] = Ask(extracted, answer)
                self._dispatcher.submit(found)
                return _Place(extracted, key, found, len(extracted or "") + len(answer), is_first=True)
        return _Place(extracted, key, found, len(extracted or ""))

    def _verdict(self, place: _Place) -> tuple[Verdict, float]:
        """Wait for the verdict of a place; texts are let go of once it is there."""
        ask = place.ask
        if isinstance(ask, _Known):
            return ask.verdict(place.extracted), 0.0
        if ask.verdict is None:
            with self._dispatcher.settled:
                self._dispatcher.settled.wait_for(lambda: ask.verdict is not None or self._dispatcher.failure)
        if ask.verdict is None:
            assert self._dispatcher.failure
            raise self._dispatcher.failure
        if place.is_first:
            self._remember(place.key, _Known.of(ask))
        return ask.verdict, ask.seconds if place.is_first else 0.0

    def _remember(self, key: bytes, known: _Known) -> None:
        with self._lock:
            if len(self._young) >= MEMO:
                self._old, self._young = self._young, {}
            self._young[key] = known


@dataclass(slots=True)
class _Known:
    """A verdict in the memo, without the text it is about."""

    outcome: Outcome
    detail: str | None
    found: str | None
    is_as_asked: bool

    @classmethod
    def of(cls, ask: Ask) -> _Known:
        assert ask.verdict
        is_as_asked = ask.verdict.extracted == ask.extracted
        return cls(ask.verdict.outcome, ask.verdict.detail, None if is_as_asked else ask.verdict.extracted, is_as_asked)

    def verdict(self, extracted: str | None) -> Verdict:
        return Verdict(self.outcome, extracted if self.is_as_asked else self.found, self.detail)


@dataclass(slots=True)
class _Place:
    """One pair in the order of a caller: known already, or asked for, by this caller or by another."""

    extracted: str | None
    key: bytes
    ask: Ask | _Known
    size: int
    is_first: bool = False

    @property
    def is_settled(self) -> bool:
        return isinstance(self.ask, _Known) or self.ask.verdict is not None


def _key(extracted: str | None, answer: str) -> bytes:
    found = b"" if extracted is None else b"+" + extracted.encode()
    return blake2b(b"%d %b%b" % (len(found), found, answer.encode()), digest_size=16).digest()
