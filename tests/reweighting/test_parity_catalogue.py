"""The estimators of the catalogue against plain Python loops, on ragged groups with nulls, ties and equal rewards."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import polars as pl
import pytest

from curate.reweighting.apply import reweight
from curate.reweighting.registry import build


@dataclass
class Sample:
    reward: float | None
    correct: bool
    n_tokens: int | None
    mean_logprob: float | None


Group = list[Sample]
Parameters = dict[str, Any]
Advantages = list[float | None]


def make_groups(binary: bool, n_groups: int = 500) -> list[Group]:
    rng = random.Random(20251121)
    return [
        [make_sample(rng, p, binary) for _ in range(rng.randint(1, 9))]
        for p in (rng.choice([0.0, 0.0, 0.2, 0.5, 0.9, 1.0]) for _ in range(n_groups))
    ]


def make_sample(rng: random.Random, p_correct: float, binary: bool) -> Sample:
    correct = rng.random() < p_correct
    reward = float(correct) if binary else round(abs(rng.gauss(correct, 0.5)), 1)
    return Sample(
        None if rng.random() < 0.1 else reward,
        correct,
        None if rng.random() < 0.1 else rng.randint(0, 30),
        None if rng.random() < 0.1 else -rng.randint(1, 12) / 4,
    )


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def std(values: list[float]) -> float:
    return math.sqrt(math.fsum((value - mean(values)) ** 2 for value in values) / (len(values) - 1))


def standardized(rewards: list[float], eps: float) -> list[float]:
    return [(reward - mean(rewards)) / (std(rewards) + eps) for reward in rewards]


def opo(group: Group, rewards: list[float], p: Parameters) -> list[float]:
    lengths = [sample.n_tokens or 0 for sample in group]
    if not sum(lengths):
        return [reward - mean(rewards) for reward in rewards]
    baseline = sum(n * reward for n, reward in zip(lengths, rewards, strict=True)) / sum(lengths)
    return [reward - baseline for reward in rewards]


def passk(group: Group, rewards: list[float], p: Parameters) -> list[float | None]:
    """Draw every set of k samples: its reward is the best of it, and a sample's advantage the mean over its draws."""
    size, k = len(group), p["k"]
    if size < k:
        return [None] * size
    draws = [(draw, max(rewards[i] for i in draw)) for draw in combinations(range(size), k)]
    rho = mean([best for _, best in draws])
    spread = math.sqrt(rho * (1 - rho))
    return [mean([best - rho for draw, best in draws if i in draw]) / spread if spread else 0.0 for i in range(size)]


def grpo_passk(group: Group, rewards: list[float], p: Parameters) -> list[float]:
    best, second = sorted(rewards, reverse=True)[:2]
    leader = rewards.index(best)
    return [(best - second) / (std(rewards) + p["eps"]) if i == leader else 0.0 for i in range(len(group))]


def maxrl(group: Group, rewards: list[float], p: Parameters) -> list[float]:
    centre = mean(rewards)
    return [(reward - centre) / centre if centre > 0 else 0.0 for reward in rewards]


def f_grpo(group: Group, rewards: list[float], p: Parameters) -> list[float]:
    share_wrong = mean([float(not sample.correct) for sample in group])
    return [value * share_wrong ** p["gamma"] for value in standardized(rewards, p["eps"])]


def ngrpo(group: Group, rewards: list[float], p: Parameters) -> list[float]:
    all_rewards = [*rewards, p["r_max"]]
    return standardized(all_rewards, p["eps"])[:-1] if len(set(all_rewards)) > 1 else [0.0] * len(rewards)


def signs(correct: float | None, wrong: float | None) -> Callable[[Group, list[float], Parameters], Advantages]:
    return lambda group, rewards, p: [correct if sample.correct else wrong for sample in group]


ORACLES: dict[str, Callable[[Group, list[float], Parameters], Any]] = {
    "opo": opo,
    "passk": passk,
    "grpo_passk": grpo_passk,
    "maxrl": maxrl,
    "f_grpo": f_grpo,
    "ngrpo": ngrpo,
    "reinforce_rej": signs(1.0, -1.0),
    "psr": signs(1.0, None),
    "nsr": signs(None, -1.0),
    "w_reinforce": signs(0.1, -1.0),
}
NO_GROUP = ("psr", "nsr", "w_reinforce")
FIXED_GATES = {"reinforce_rej": "mixed", "psr": "all", "nsr": "all", "w_reinforce": "all"}


def advantages(name: str, group: Group, p: Parameters) -> Advantages:
    """Return the advantage of each sample of a group, null where it does not train."""
    judged = [sample for sample in group if sample.reward is not None]
    keep = p.get("keep_groups") or FIXED_GATES[name]
    if not outcomes_train(judged, keep) and name not in NO_GROUP:
        return [None] * len(group)
    part = [sample for sample in judged if name != "opo" or sample.n_tokens is not None]
    if not part or (len(part) < 2 and name not in NO_GROUP) or not outcomes_train(part, keep, at_least=1):
        return [None] * len(group)
    rewards = [sample.reward for sample in part if sample.reward is not None]
    uniform = len(set(rewards)) == 1
    if uniform and name not in ("ngrpo", *FIXED_GATES):
        found: Advantages = [0.0 if keep == "all" else None] * len(part)
        if name == "passk" and len(part) < p["k"]:
            found = [None] * len(part)
    else:
        found = list(ORACLES[name](part, rewards, p))
    by_sample = {id(sample): value for sample, value in zip(part, found, strict=True)}
    return [by_sample.get(id(sample)) for sample in group]


def outcomes_train(samples: Group, keep: str, at_least: int = 2) -> bool:
    n_correct = sum(sample.correct for sample in samples)
    if len(samples) < at_least:
        return False
    if keep == "mixed":
        return 0 < n_correct < len(samples)
    return n_correct < len(samples) if keep == "not_all_correct" else True


def frame_of(groups: list[Group]) -> pl.DataFrame:
    rows = [
        {
            "group_id": g,
            "sample_index": i,
            "reward": sample.reward,
            "outcome": "timeout" if sample.reward is None else "correct" if sample.correct else "incorrect",
            "n_tokens": sample.n_tokens,
            "mean_logprob": sample.mean_logprob,
        }
        for g, group in enumerate(groups)
        for i, sample in enumerate(group)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


KEEP: list[Parameters] = [{}, {"keep_groups": "not_all_correct"}, {"keep_groups": "all"}, {"keep_groups": "mixed"}]
CASES = [
    *[("opo", parameters, binary) for parameters in KEEP for binary in (True, False)],
    *[("passk", {"k": k} | parameters, True) for k in (1, 2, 4, 9) for parameters in KEEP],
    *[("grpo_passk", parameters, binary) for parameters in KEEP for binary in (True, False)],
    *[("maxrl", parameters, binary) for parameters in KEEP for binary in (True, False)],
    *[("f_grpo", {"gamma": g} | parameters, b) for g in (0, 0.5, 2) for parameters in KEEP for b in (True, False)],
    *[("ngrpo", {"r_max": r} | parameters, b) for r in (1.0, 2.5) for parameters in KEEP for b in (True, False)],
    *[(name, {}, binary) for name in FIXED_GATES for binary in (True, False)],
]


@pytest.fixture(scope="module")
def samples() -> dict[bool, tuple[list[Group], pl.DataFrame]]:
    made = {binary: make_groups(binary) for binary in (True, False)}
    return {binary: (groups, frame_of(groups)) for binary, groups in made.items()}


@pytest.mark.parametrize(("name", "parameters", "binary"), CASES)
def test_a_recipe_gives_what_loops_give(
    name: str, parameters: Parameters, binary: bool, samples: dict[bool, tuple[list[Group], pl.DataFrame]]
) -> None:
    groups, frame = samples[binary]
    recipe = build(name, parameters)
    expected = [value for group in groups for value in advantages(name, group, dict(recipe.parameters))]
    found = reweight(frame, recipe)["advantage"].to_list()
    assert [value is None for value in found] == [value is None for value in expected]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha", ["official", "verl"])
@pytest.mark.parametrize("keep", ["mixed", "all"])
@pytest.mark.parametrize("binary", [True, False])
def test_gpg_gives_what_loops_give(
    alpha: str, keep: str, binary: bool, samples: dict[bool, tuple[list[Group], pl.DataFrame]]
) -> None:
    groups, frame = samples[binary]
    rewards = [[s.reward for s in group if s.reward is not None] for group in groups]
    n_samples = sum(map(len, rewards))
    without_signal = sum(len(group) for group in rewards if len(set(group)) == 1)
    not_0 = sum(reward != 0 for group in rewards for reward in group)
    factor = n_samples / (n_samples - without_signal if alpha == "official" else not_0)
    expected: Advantages = []
    for group, known in zip(groups, rewards, strict=True):
        judged = [sample for sample in group if sample.reward is not None]
        uniform = len(set(known)) == 1
        drops = not outcomes_train(judged, keep) or (uniform and keep != "all")
        expected += [None if drops or s.reward is None else factor * (s.reward - mean(known)) for s in group]
    found = reweight(frame, build("gpg", {"alpha": alpha, "keep_groups": keep}))["advantage"].to_list()
    assert [value is None for value in found] == [value is None for value in expected]
    assert found == pytest.approx(expected, abs=1e-12)


def lens(group: Group, p: Parameters) -> Advantages:
    judged = [sample for sample in group if sample.reward is not None]
    if not outcomes_train(judged, p["keep_groups"]):
        return [None] * len(group)
    solved = any(sample.correct for sample in judged)
    if all(sample.correct for sample in judged):
        return [0.0 if sample.reward is not None else None for sample in group]
    part = [sample for sample in judged if sample.mean_logprob is not None]
    if len(part) < 2 or not outcomes_train(part, p["keep_groups"], at_least=1):
        return [None] * len(group)
    chances = [math.exp(sample.mean_logprob or 0.0) for sample in part]
    scale = 2 * max(chances)
    if solved:
        ratios = [sample.correct / chance for sample, chance in zip(part, chances, strict=True)]
        scale = max(1 / mean(ratios), scale) if any(ratios) else math.inf
    shaped = [
        sample.correct - (1 - sample.correct) / len(part) * chance / (scale - chance)
        for sample, chance in zip(part, chances, strict=True)
    ]
    if max(shaped) - min(shaped) <= 1e-12:
        found: Advantages = [0.0 if p["keep_groups"] == "all" else None] * len(part)
    elif solved:
        found = list(standardized(shaped, p["eps"]))
    else:
        found = [p["alpha"] * (value - mean(shaped)) for value in shaped]
    by_sample = {id(sample): value for sample, value in zip(part, found, strict=True)}
    return [by_sample.get(id(sample)) for sample in group]


@pytest.mark.parametrize("parameters", [*KEEP, {"alpha": 1, "eps": 0.1}])
def test_lens_gives_what_loops_give(
    parameters: Parameters, samples: dict[bool, tuple[list[Group], pl.DataFrame]]
) -> None:
    groups, frame = samples[True]
    recipe = build("lens", parameters)
    expected = [value for group in groups for value in lens(group, dict(recipe.parameters))]
    found = reweight(frame, recipe)["advantage"].to_list()
    assert [value is None for value in found] == [value is None for value in expected]
    assert found == pytest.approx(expected, abs=1e-12)
