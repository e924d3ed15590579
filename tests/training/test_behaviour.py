"""Which stored log-probs each behaviour mode takes."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.training.behaviour import PROBLEM, refuse

GOOD = {"token_exact": True, "logprobs": [-1.0], "temperature": 1.0, "logprob_semantics": "raw", "top_p": 1.0}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"temperature": 0.7, "logprob_semantics": "processed"}, None),
        ({"temperature": 0.7}, "raw"),
        ({"temperature": 0.7, "logprob_semantics": None}, None),
        ({"temperature": None}, None),
        ({"top_p": None}, None),
        ({"top_p": 0.95}, "truncated_support"),
        ({"temperature": 0.0}, "greedy"),
        ({"logprobs": None}, "absent"),
        ({"token_exact": False}, "absent"),
    ],
)
def test_problems(change: dict[str, object], problem: str | None) -> None:
    row = {name: [value] for name, value in (GOOD | change).items()}
    schema = {"token_exact": pl.Boolean, "logprobs": pl.List(pl.Float32), "temperature": pl.Float64}
    schema |= {"logprob_semantics": pl.String, "top_p": pl.Float64}
    assert pl.DataFrame(row, schema=schema).select(PROBLEM).item() == problem


@pytest.mark.parametrize(
    ("mode", "problem", "advice"),
    [
        ("bypass", "absent", "--behaviour recompute"),
        ("bypass", "raw", "--behaviour recompute"),
        ("bypass", "greedy", "--behaviour recompute"),
        ("bypass", "truncated_support", "--behaviour decoupled"),
        ("bypass", "mixed", "--allow-mixed-policy"),
        ("decoupled", "absent", "--behaviour recompute"),
        ("decoupled", "raw", "--behaviour recompute"),
        ("decoupled", "truncated_support", None),
        ("decoupled", "mixed", None),
        ("recompute", "absent", None),
    ],
)
def test_refusals_say_what_to_do(mode: str, problem: str, advice: str | None) -> None:
    if advice is None:
        refuse(Counter({problem: 3}), mode, 10)  # type: ignore[arg-type]
        return
    with pytest.raises(ConfigError, match=advice) as caught:
        refuse(Counter({problem: 3}), mode, 10)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"--behaviour {mode} cannot use the stored log-probs: 3 ")
