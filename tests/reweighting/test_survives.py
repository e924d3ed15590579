"""Which signal survives in all-wrong, all-correct and mixed groups of binary rewards, recipe by recipe."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe
from curate.reweighting.registry import build

ALL = {"keep_groups": "all"}
WRONG, CORRECT, MIXED = [0.0] * 4, [1.0] * 4, [1.0, 1.0, 0.0, 0.0]
ZEROS, DOWN = [0.0] * 4, [-1.0] * 4
ALL_WRONG, ALL_CORRECT = ["all_wrong"] * 4, ["all_correct"] * 4


def train(recipe: Recipe, rewards: list[float]) -> list[Any]:
    """Return the advantage of each sample, or why it is dropped."""
    frame = pl.DataFrame(
        {
            "group_id": [1] * 4,
            "sample_index": range(4),
            "reward": rewards,
            "n_tokens": [4, 3, 2, 1],
            "mean_logprob": [-0.5, -1.0, -1.5, -2.0],
        }
    )
    found = reweight(frame, recipe)
    kept = found.select(value=pl.when(pl.col("drop_reason").is_null()).then("advantage"))["value"].to_list()
    return [reason if reason else value for value, reason in zip(kept, found["drop_reason"].to_list(), strict=True)]


CENTRED = [
    ("grpo", {}),
    ("dr_grpo", {}),
    ("rloo", {}),
    ("opo", {}),
    ("gpg", {}),
    ("gpg", {"alpha": "verl"}),
    ("passk", {"k": 2}),
    ("maxrl", {}),
    ("f_grpo", {"gamma": 1}),
]


@pytest.mark.parametrize(("name", "parameters"), CENTRED)
def test_0_in_uniform_groups_and_centred_in_mixed_ones(name: str, parameters: dict[str, Any]) -> None:
    plain, kept = build(name, parameters), build(name, parameters | ALL)
    assert (train(plain, WRONG), train(plain, CORRECT)) == (ALL_WRONG, ALL_CORRECT)
    assert (train(kept, WRONG), train(kept, CORRECT)) == (ZEROS, ZEROS)
    for recipe in (plain, kept):
        found = train(recipe, MIXED)
        assert min(found[:2]) > 0 > max(found[2:])
        weights = [4, 3, 2, 1] if name == "opo" else [1] * 4
        assert sum(w * a for w, a in zip(weights, found, strict=True)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "wrong", "correct", "mixed"),
    [
        ("reinforce_rej", ALL_WRONG, ALL_CORRECT, [1.0, 1.0, -1.0, -1.0]),
        ("raft", ALL_WRONG, [1.0] * 4, [1.0, 1.0, "gated", "gated"]),
        ("psr", ALL_WRONG, [1.0] * 4, [1.0, 1.0, "gated", "gated"]),
        ("nsr", DOWN, ALL_CORRECT, ["gated", "gated", -1.0, -1.0]),
        ("w_reinforce", DOWN, [0.1] * 4, [0.1, 0.1, -1.0, -1.0]),
    ],
)
def test_signs(name: str, wrong: list[Any], correct: list[Any], mixed: list[Any]) -> None:
    recipe = build(name)
    assert (train(recipe, WRONG), train(recipe, CORRECT), train(recipe, MIXED)) == (wrong, correct, mixed)


def test_the_best_sample_alone() -> None:
    assert train(build("grpo_passk"), WRONG) == ALL_WRONG
    assert train(build("grpo_passk", ALL), CORRECT) == ZEROS
    assert train(build("grpo_passk", {"eps": 0}), [1.0, 0.0, 0.0, 0.0]) == [2.0, 0.0, 0.0, 0.0]
    assert train(build("grpo_passk"), MIXED) == ZEROS


def test_all_wrong_groups_teach_by_a_virtual_success() -> None:
    ngrpo = build("ngrpo", {"eps": 0})
    assert train(ngrpo, WRONG) == pytest.approx([-(5**-0.5)] * 4)
    assert train(ngrpo, CORRECT) == ALL_CORRECT
    # 1, 1, 0, 0 and a virtual 1: mean 3/5, std = sqrt((3 * 4/25 + 2 * 9/25) / 4) = sqrt(.3)
    assert train(ngrpo, MIXED) == pytest.approx([0.4 / 0.3**0.5] * 2 + [-0.6 / 0.3**0.5] * 2)
    assert train(build("ngrpo", {"keep_groups": "mixed"}), WRONG) == ALL_WRONG
    assert train(build("ngrpo", ALL), CORRECT) == ZEROS


def test_all_wrong_groups_teach_by_confidence() -> None:
    lens = build("lens")
    found = train(lens, WRONG)
    assert found == sorted(found)
    assert found[0] < 0 < found[-1]
    assert sum(found) == pytest.approx(0, abs=1e-12)
    assert train(lens, CORRECT) == ALL_CORRECT
    assert train(build("lens", ALL), CORRECT) == ZEROS
    mixed = train(lens, MIXED)
    assert min(mixed[:2]) > 0 > mixed[3] > mixed[2]
