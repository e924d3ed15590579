from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from importing_case import Bring


def test_advantages_of_groups_with_unknown_outcome_have_no_count_of_correct(
    bring: Bring, jsonl: Callable[..., Path]
) -> None:
    rows = [
        {"prompt": p, "completion": f"{p}{r}", "reward": r, "advantage": a}
        for p, r, a in [("p", 0.5, 1), ("p", 0.1, -1), ("q", 0.2, None), ("q", 0.3, 0.0)]
    ]
    got = bring(jsonl("a.jsonl", rows))
    assert got.advantages is not None
    assert got.advantages.select(
        "reward", "shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct"
    ).rows() == [
        (0.5, None, 1.0, 1.0, None, 2, None),
        (0.1, None, -1.0, 1.0, None, 2, None),
        (0.2, None, None, None, "unjudged", 1, None),
        (0.3, None, 0.0, 1.0, None, 1, None),
    ]
