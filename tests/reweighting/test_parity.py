"""Every recipe against plain Python loops, written from the formulas alone, on ragged groups with nulls and ties."""

from __future__ import annotations

import math
import random
from typing import Any

import polars as pl
import pytest

from curate.reweighting.apply import reweight
from curate.reweighting.registry import build

Sample = dict[str, Any]
N_GROUPS = 1_000


def make_sample(rng: random.Random, p_correct: float, binary: bool) -> Sample:
    correct = rng.random() < p_correct
    reward: float | None = float(correct) if binary else round(rng.gauss(correct, 0.5), 1)
    scored = rng.random() < 0.85
    judgment = rng.choice(["found", "found", "found", "none", "missing"])
    steps = rng.randint(1, 5)
    error_step = rng.randint(1, steps) if judgment == "found" else None
    if rng.random() < 0.1:
        reward = None
    return {
        "reward": reward,
        "outcome": rng.choice(["timeout", "error", None]) if reward is None else "correct" if correct else "incorrect",
        "mean_logprob": -rng.randint(1, 6) / 4 if scored else None,
        "sum_logprob": -rng.randint(1, 6) * 8.0 if scored else None,
        "n_steps": None if judgment == "missing" else steps,
        "first_error_step": error_step,
        "rts": None if error_step is None else (error_step - 1) / steps,
        "diversity": rng.choice([None, 0.0, 0.25, 0.5, 0.5, 0.75]),
    }


def make_groups(binary: bool) -> list[list[Sample]]:
    rng = random.Random(20250611)
    groups = []
    for _ in range(N_GROUPS):
        p_correct = rng.choice([0.0, 0.0, 0.2, 0.5, 0.9, 1.0])
        groups.append([make_sample(rng, p_correct, binary) for _ in range(rng.randint(1, 12))])
    return groups


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def std(values: list[float]) -> float:
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def outcomes_train(keep: str, n_correct: int, size: int) -> bool:
    if size < 2:
        return False
    if keep == "mixed":
        return 0 < n_correct < size
    return n_correct < size if keep == "not_all_correct" else True


def trajectory_score(sample: Sample, no_error: str) -> float | None:
    rts, steps = sample["rts"], sample["n_steps"]
    if rts is None and no_error == "last_step" and steps is not None and sample["first_error_step"] is None:
        return float((steps - 1) / steps)
    return rts  # type: ignore[no-any-return]


def grade(rts: float, p: dict[str, Any]) -> float:
    if p["curve"] == "linear":
        return float(p["graded_max"] * rts)
    return float(p["graded_max"] / (1 + math.exp(-p["beta"] * (rts - p["gamma"]))))


def rank_from_most_likely(index: int, ranked: list[float], ties: str) -> float:
    own = ranked[index]
    above = sum(other > own for other in ranked)
    if ties == "index":
        return above + sum(other == own for other in ranked[index:])
    return above + (sum(other == own for other in ranked) + 1) / 2


class Oracle:
    """One group under one recipe, by loops."""

    def __init__(self, group: list[Sample], name: str, p: dict[str, Any]) -> None:
        self.group, self.p = group, p
        self.ranks = name in ("unlikely_grpo", "he2025_release", "unlikely_spectral")
        self.grades = name in ("spectral_grpo", "unlikely_spectral")
        self.spreads = name == "diverse_grpo"
        if p.get("until_round") is not None and p["round"] > p["until_round"]:
            self.grades = False
        self.name = name

    def is_correct(self, sample: Sample) -> bool:
        return bool(sample["outcome"] == "correct")

    def reads_likelihood(self, sample: Sample, trains: bool, n_correct: int, size: int) -> bool:
        if not self.ranks or n_correct == 0:
            return False
        if self.p.get("gate_on") == "shaped":
            trains = size >= 2
        return trains and (self.p["among"] == "group" or self.is_correct(sample))

    def reads_rts(self, sample: Sample, trains: bool, n_correct: int) -> bool:
        if not self.grades or self.is_correct(sample) or not trains:
            return False
        return n_correct == 0 or self.p.get("scope") == "all"

    def reads_diversity(self, sample: Sample, trains: bool) -> bool:
        return self.spreads and trains and self.is_correct(sample)

    def run(self) -> list[tuple[Any, ...]]:
        judged = [sample for sample in self.group if sample["reward"] is not None]
        n_judged, solved = len(judged), sum(map(self.is_correct, judged))
        trains = outcomes_train(self.p.get("keep_groups", "all"), solved, n_judged)
        reasons: list[str | None] = []
        for sample in self.group:
            reason = None
            if sample["reward"] is None:
                reason = "unjudged"
            elif self.reads_likelihood(sample, trains, solved, n_judged) and (
                sample[f"{self.p['rank_by']}_logprob"] is None
            ):
                reason = "no_likelihood"
            elif self.reads_rts(sample, trains, solved) and (trajectory_score(sample, self.p["no_error"]) is None):
                reason = "no_rts"
            elif self.reads_diversity(sample, trains) and sample["diversity"] is None:
                reason = "no_diversity"
            reasons.append(reason)
        taking_part = [sample for sample, reason in zip(self.group, reasons, strict=True) if reason is None]
        size, n_correct = len(taking_part), sum(map(self.is_correct, taking_part))
        shaped = self.shape(taking_part, solved)
        barred = self.sample_reasons(taking_part, shaped, solved)
        advantages = self.estimate(taking_part, shaped, solved) if None in barred else [None] * size
        results = iter(zip(shaped, advantages, barred, strict=True))
        rows: list[tuple[Any, ...]] = []
        for left in reasons:
            value, advantage, reason = next(results) if left is None else (None, None, left)
            advantage = advantage if reason is None else None
            weight = None if advantage is None else 1.0
            rows.append((value, advantage, weight, reason, size, n_correct))
        return rows

    def sample_reasons(self, samples: list[Sample], shaped: list[float], solved: int) -> list[str | None]:
        """Return why each sample that took part is dropped: mostly for the group's reason."""
        if self.name != "raft":
            return [self.group_reason(samples, shaped, solved)] * len(samples)
        if not any(map(self.is_correct, samples)):
            return ["all_wrong"] * len(samples)
        return [None if self.is_correct(sample) else "gated" for sample in samples]

    def shape(self, samples: list[Sample], solved: int) -> list[float]:
        size, n_correct = len(samples), sum(map(self.is_correct, samples))
        trains = outcomes_train(self.p.get("keep_groups", "all"), n_correct, size)
        if self.ranks:
            pool = [s for s in samples if self.p["among"] == "group" or self.is_correct(s)]
            ranked = [s[f"{self.p['rank_by']}_logprob"] for s in pool]
        shaped = []
        if self.name == "raft":
            return [max(sample["reward"], 0.0) for sample in samples]
        for sample in samples:
            reward = sample["reward"]
            if self.reads_rts(sample, trains, solved):
                rts = trajectory_score(sample, self.p["no_error"])
                assert rts is not None
                reward = grade(rts, self.p)
            elif self.is_correct(sample) and self.reads_likelihood(sample, trains, n_correct, size):
                index = next(i for i, other in enumerate(pool) if other is sample)
                rank = rank_from_most_likely(index, ranked, self.p["ties"])
                reward *= 1 - self.p["beta_rank"] * (len(ranked) - rank) / len(ranked)
            elif self.reads_diversity(sample, trains):
                reward += reward * self.p["lambda_div"] * sample["diversity"]
            shaped.append(reward)
        return shaped

    def is_degenerate(self, samples: list[Sample], shaped: list[float], solved: int) -> bool:
        if max(shaped) - min(shaped) <= 1e-12 * max(1, abs(max(shaped))):
            return True
        if not self.grades or solved > 0 or not self.p["min_spread"]:
            return False
        scores = [trajectory_score(sample, self.p["no_error"]) for sample in samples]
        known = [score for score in scores if score is not None]
        return bool(known) and max(known) - min(known) < self.p["min_spread"] - 1e-12

    def group_reason(self, samples: list[Sample], shaped: list[float], solved: int) -> str | None:
        size, n_correct = len(samples), sum(map(self.is_correct, samples))
        if size <= 1:
            return "singleton"
        degenerate, keep = self.is_degenerate(samples, shaped, solved), self.p["keep_groups"]
        falls = degenerate or self.p.get("gate_on") != "shaped"
        if falls and n_correct == 0 and keep == "mixed":
            return "all_wrong"
        if falls and n_correct == size and keep != "all":
            return "all_correct"
        return "degenerate" if degenerate and keep != "all" else None

    def estimate(self, samples: list[Sample], shaped: list[float], solved: int) -> list[float]:
        if self.name == "raft":
            return shaped
        if self.is_degenerate(samples, shaped, solved):
            return [0.0] * len(shaped)
        size, advantages = len(shaped), []
        for sample, value in zip(samples, shaped, strict=True):
            advantage = value - mean(shaped)
            if self.name == "rloo":
                advantage = value - (math.fsum(shaped) - value) / (size - 1)
            elif self.name not in ("dr_grpo", "diverse_grpo") and self.p.get("scale") != "none":
                advantage /= std(shaped) + self.p["eps"]
            if self.p.get("clamp_sign") and self.is_correct(sample):
                advantage = max(advantage, 0.0)
            if self.grades and solved == 0:
                advantage *= self.p["damping"]
                advantage = min(advantage, 0.0) if self.p["one_sided"] else advantage
            advantages.append(advantage)
        return advantages


UNLIKELY: list[dict[str, Any]] = [
    {"beta_rank": 0.25},
    {"beta_rank": 1, "rank_by": "sum", "ties": "index", "keep_groups": "all"},
    {"beta_rank": 0.5, "among": "correct", "clamp_sign": True, "keep_groups": "not_all_correct"},
    {"beta_rank": 0.3, "gate_on": "shaped", "scale": "none"},
    {"beta_rank": 0.3, "gate_on": "shaped", "keep_groups": "not_all_correct", "among": "correct", "ties": "index"},
    {"beta_rank": 0, "keep_groups": "all", "rank_by": "sum"},
]
SPECTRAL: list[dict[str, Any]] = [
    {},
    {"scope": "all", "curve": "linear", "graded_max": 0.5, "keep_groups": "mixed"},
    {"scope": "all", "no_error": "last_step", "keep_groups": "all", "beta": 3},
    {"damping": 0.25, "one_sided": True, "min_spread": 0.3, "no_error": "last_step"},
    {"min_spread": 0.5, "keep_groups": "all", "gamma": 0.2},
    {"keep_groups": "mixed"},
    {"until_round": 3, "round": 3},
    {"until_round": 3, "round": 4, "keep_groups": "all"},
]
COMBINED: list[dict[str, Any]] = [
    {"beta_rank": 0.25},
    {"beta_rank": 0.5, "among": "correct", "no_error": "last_step", "min_spread": 0.25, "one_sided": True},
    {"beta_rank": 0.5, "ties": "index", "rank_by": "sum", "clamp_sign": True, "keep_groups": "all"},
    {"beta_rank": 0.5, "curve": "linear", "keep_groups": "mixed", "damping": 0},
]
KEEP: list[dict[str, Any]] = [{}, {"keep_groups": "not_all_correct"}, {"keep_groups": "all"}]
CASES = [
    *[("grpo", parameters, binary) for parameters in (*KEEP, {"eps": 1e-4}) for binary in (True, False)],
    *[("dr_grpo", parameters, binary) for parameters in KEEP for binary in (True, False)],
    *[("rloo", parameters, binary) for parameters in KEEP for binary in (True, False)],
    *[("raft", {}, binary) for binary in (True, False)],
    *[("unlikely_grpo", parameters, True) for parameters in UNLIKELY],
    ("he2025_release", {}, True),
    *[("spectral_grpo", parameters, True) for parameters in SPECTRAL],
    *[("unlikely_spectral", parameters, True) for parameters in COMBINED],
    *[("diverse_grpo", {"lambda_div": 0.5, **parameters}, True) for parameters in KEEP],
    ("diverse_grpo", {"lambda_div": 3, "keep_groups": "all"}, True),
]


def frame_of(groups: list[list[Sample]]) -> pl.DataFrame:
    rows = [
        {"group_id": group_id, "sample_index": index, **sample}
        for group_id, group in enumerate(groups)
        for index, sample in enumerate(group)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.fixture(scope="module")
def samples() -> dict[bool, tuple[list[list[Sample]], pl.DataFrame]]:
    made = {binary: make_groups(binary) for binary in (True, False)}
    return {binary: (groups, frame_of(groups)) for binary, groups in made.items()}


@pytest.mark.parametrize(("name", "parameters", "binary"), CASES)
def test_a_recipe_gives_what_loops_give(
    name: str,
    parameters: dict[str, Any],
    binary: bool,
    samples: dict[bool, tuple[list[list[Sample]], pl.DataFrame]],
) -> None:
    groups, frame = samples[binary]
    recipe = build(name, parameters)
    expected = [row for group in groups for row in Oracle(group, name, dict(recipe.parameters)).run()]
    found = reweight(frame, recipe).select("shaped", "advantage", "weight", "drop_reason", "group_size", "n_correct")
    assert {row[3] for row in expected} >= {None, "unjudged", "gated" if name == "raft" else "singleton"}
    for position, (row, wanted) in enumerate(zip(found.iter_rows(), expected, strict=True)):
        assert row[3:] == wanted[3:], (position, row, wanted)
        assert row[:3] == pytest.approx(wanted[:3], abs=1e-12), (position, row, wanted)
