"""Log-probs of a known softmax at other temperatures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from curate.checking.temperature import other_temperatures, sharper

LOGITS = [[2.0, 0.0], [0.5, 0.0], [3.0, 0.0], [0.0, 1.0]]  # the first token is the one that was sampled


def logprobs(temperature: float) -> list[float]:
    return [-math.log1p(math.exp((other - own) / temperature)) for own, other in LOGITS]


def apart(stored: list[list[float]]) -> object:
    def measure(places: Sequence[int], heats: Sequence[float]) -> list[float]:
        pairs = [zip(stored[place], logprobs(heat), strict=True) for place, heat in zip(places, heats, strict=True)]
        return [sum(abs(a - b) for a, b in pair) / len(LOGITS) for pair in pairs]

    return measure


def test_rows_of_another_temperature_are_found_with_it() -> None:
    stored = [logprobs(1.0), logprobs(0.7), logprobs(1.0), logprobs(0.55)]
    fits = other_temperatures(apart(stored), [1.0] * 4)  # type: ignore[arg-type]
    assert [(fit.place, fit.temperature) for fit in fits] == [(1, 0.7), (3, 0.55)]
    assert fits[0].apart == pytest.approx(0, abs=1e-9)
    assert fits[0].as_recorded == pytest.approx(0.12794, abs=1e-5)  # (.07108 + .07561 + .03492 + .33014) / 4


def test_log_probs_that_fit_no_temperature_are_left_alone() -> None:
    stored = [[each - 0.5 for each in logprobs(1.0)]] * 40
    assert other_temperatures(apart(stored), [1.0] * 40) == []  # type: ignore[arg-type]
    assert other_temperatures(apart([logprobs(0.7)]), [0.7]) == []  # type: ignore[arg-type]
    assert other_temperatures(apart([]), []) == []  # type: ignore[arg-type]


def test_likely_tokens_are_likelier_the_colder() -> None:
    assert sharper([logprobs(0.7)] * 11, [logprobs(1.0)] * 11) == 1.0  # three of four tokens are likely: 33 say so
    assert sharper([logprobs(1.3)] * 11, [logprobs(1.0)] * 11) == 0.0
    assert sharper([logprobs(0.7)] * 10, [logprobs(1.0)] * 10) is None  # 30 tokens
    assert sharper([logprobs(1.0)] * 40, [logprobs(1.0)] * 40) is None
    assert sharper([], []) is None
