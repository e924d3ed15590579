"""Our advantages against those of the trainers of the installed TRL (written against 1.16.0), on 500 batches.

What differs, on purpose, has a test below: samples that were not judged and groups of one (kept at 0 there, dropped here)
and rewards that are equal but for rounding (noise there, exactly 0 here).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import random
from types import SimpleNamespace
from typing import Any

import pytest

from curate.reweighting import recipes
from curate.reweighting.recipe import Recipe
from rivals_case import Batch, largest_difference, make_group, ours, trl_lines

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")

ALL: dict[str, Any] = {"keep_groups": "all"}
GROUP: dict[str, Any] = {"scale_rewards": "group", "multi_objective_aggregation": "sum_then_normalize"}
BATCH, NONE = GROUP | {"scale_rewards": "batch"}, GROUP | {"scale_rewards": "none"}
RLOO: dict[str, Any] = {"reward_clip_range": None, "beta": 0.0, "normalize_advantages": False}
CASES: dict[str, tuple[str, dict[str, Any], Recipe]] = {
    "grpo": ("GRPOTrainer", GROUP, recipes.grpo(eps=1e-4, **ALL)),
    "dr_grpo": ("GRPOTrainer", NONE, recipes.dr_grpo(**ALL)),
    "rloo": ("RLOOTrainer", RLOO, recipes.rloo(**ALL)),
    "trl_grpo group": ("GRPOTrainer", GROUP, recipes.trl_grpo(scale_rewards="group")),
    "trl_grpo batch": ("GRPOTrainer", BATCH, recipes.trl_grpo(scale_rewards="batch")),
    "trl_grpo none": ("GRPOTrainer", NONE, recipes.trl_grpo(scale_rewards="none")),
    "trl_rloo": ("RLOOTrainer", RLOO, recipes.trl_rloo()),
    "trl_rloo normalized": (
        "RLOOTrainer",
        RLOO | {"normalize_advantages": True},
        recipes.trl_rloo(normalize_advantages=True),
    ),
}


def by_trl(trainer: str, batch: Batch, settings: dict[str, Any]) -> list[float]:
    """Return the advantages that TRL gives a batch in float64; None = no reward function gave the sample a reward."""
    import torch

    lines, module = trl_lines(trainer)
    rewards = [[float("nan") if reward is None else reward] for group in batch for reward, _ in group]
    scope = module | {
        "self": SimpleNamespace(reward_weights=torch.ones(1, dtype=torch.float64), reward_funcs=[None], **settings),
        "rewards_per_func": torch.tensor(rewards, dtype=torch.float64),
        "num_generations": len(batch[0]),
        "device": "cpu",
    }
    torch.set_default_dtype(torch.float64)  # nanstd takes n / (n - 1) in it, whatever the rewards come in
    try:
        exec(lines, scope)
    finally:
        torch.set_default_dtype(torch.float32)
    return [float(value) for value in scope["advantages"]]


def make_batches(n_batches: int) -> list[Batch]:
    """Make batches whose groups have one size, as TRL wants them, made ragged by samples that were not judged."""
    rng = random.Random(2503)
    batches: list[Batch] = []
    for _ in range(n_batches):
        size = rng.randint(3, 8)
        groups = [make_group(rng, rng.choice([0.0, 0.3, 1.0]), size, rng.random() < 0.5) for _ in range(5)]
        batches.append(
            [[(None if i > 1 and rng.random() < 0.1 else r, n) for i, (r, n) in enumerate(g)] for g in groups]
        )
    return batches


@pytest.mark.parametrize("name", CASES)
def test_equals_the_installed_trl_on_500_batches(name: str) -> None:
    trainer, settings, recipe = CASES[name]
    batches = make_batches(500)
    judged = [[reward is not None for group in batch for reward, _ in group] for batch in batches]
    expected = [by_trl(trainer, batch, settings) for batch in batches]
    mine = ours(batches, recipe)
    # A sample that was not judged is 0 there, and dropped here.
    assert all(
        a == 0 for row, known in zip(expected, judged, strict=True) for a, k in zip(row, known, strict=True) if not k
    )
    found = largest_difference(pick(mine, judged), pick(expected, judged))
    print(f"largest difference from {trainer}: {found:.2g}")
    assert found < 1e-12, importlib.metadata.version("trl")


def pick(rows: list[list[Any]], judged: list[list[bool]]) -> list[list[Any]]:
    return [[a for a, k in zip(row, known, strict=True) if k] for row, known in zip(rows, judged, strict=True)]


def test_what_differs_are_samples_that_were_not_judged_and_groups_of_one() -> None:
    lonely: Batch = [[(1.0, 1), (None, 1)]]
    assert by_trl("GRPOTrainer", lonely, NONE) == by_trl("RLOOTrainer", lonely, RLOO) == [0.0, 0.0]
    assert ours([lonely], recipes.dr_grpo(**ALL)) == ours([lonely], recipes.rloo(**ALL)) == [[None, None]]
    single: Batch = [[(1.0, 1)]]
    assert by_trl("GRPOTrainer", single, GROUP) == by_trl("RLOOTrainer", single, RLOO) == [0.0]
    assert ours([single], recipes.grpo(**ALL)) == [[None]]


def test_what_differs_is_noise_of_equal_rewards() -> None:
    equal: Batch = [[(0.1 + 0.2, 1), (0.3, 1), (0.3, 1)]]
    noise = by_trl("GRPOTrainer", equal, GROUP)
    assert 0 < max(abs(value) for value in noise) < 1e-9
    assert ours([equal], recipes.grpo(eps=1e-4, **ALL)) == [[0.0, 0.0, 0.0]]
