"""The claim of arXiv 2505.11595 on its two-step, two-action model, through the recipes themselves."""

import math
from itertools import product

import polars as pl
import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe

# Trajectory: actions of step 1 and, if step 1 was right (2), of step 2. RTS (e - 1) / 2.
TRAJECTORIES = [((1,), 0.0), ((2, 1), 0.5), ((2, 2), None)]


def pair_advantages(recipe: Recipe) -> dict[tuple[int, int], tuple[float, float]]:
    """Give the advantages of each ordered pair of trajectories as a group of two."""
    pairs = list(product(range(3), repeat=2))
    frame = pl.DataFrame(
        {
            "group_id": [group for group, pair in enumerate(pairs) for _ in pair],
            "sample_index": [0, 1] * len(pairs),
            "reward": [float(member == 2) for pair in pairs for member in pair],
            "rts": [TRAJECTORIES[member][1] for pair in pairs for member in pair],
        }
    )
    found = reweight(frame, recipe)["advantage"].to_list()
    # The model divides by the population std, sqrt 2 smaller for two samples.
    return {pair: (found[2 * i] * math.sqrt(2), found[2 * i + 1] * math.sqrt(2)) for i, pair in enumerate(pairs)}


def train(recipe: Recipe, steps: int) -> list[float]:
    """Take expected policy-gradient steps on the log-odds of p and q; give p*q after each."""
    advantages = pair_advantages(recipe)
    p = q = 0.5
    path = []
    for _ in range(steps):
        chance = [1 - p, p * (1 - q), p * q]
        d_p = d_q = 0.0
        for (i, j), pair in advantages.items():
            for member, advantage in zip((i, j), pair, strict=True):
                actions = TRAJECTORIES[member][0]
                share = chance[i] * chance[j] * advantage / 2
                d_p += share * ((actions[0] == 2) - p)
                d_q += share * ((actions[1] == 2) - q) if len(actions) == 2 else 0.0
        p = p * math.exp(d_p) / (1 - p + p * math.exp(d_p))
        q = q * math.exp(d_q) / (1 - q + q * math.exp(d_q))
        path.append(p * q)
    return path


def test_graded_rewards_learn_faster_than_plain_ones() -> None:
    graded = train(recipes.spectral_grpo(scope="all", curve="linear", eps=0, keep_groups="all"), 100)
    plain = train(recipes.grpo(eps=0, keep_groups="all"), 100)
    after = [1, 5, 10, 20, 50, 100]
    assert [graded[k - 1] for k in after] == pytest.approx([0.2899, 0.4687, 0.6670, 0.8495, 0.9506, 0.9774], abs=5e-5)
    assert [plain[k - 1] for k in after] == pytest.approx([0.2822, 0.4425, 0.6434, 0.8389, 0.9488, 0.9770], abs=5e-5)
