"""The presets against the frameworks: TRL's own lines run on random batches, verl's and OpenRLHF's formulas in numpy.

The oracle is the installed trl (1.16 when this was written): the block of its trainer that makes advantages of rewards is
taken from the source and run on tensors of float64. verl 0.9.1 and OpenRLHF are not installed here: theirs are transcribed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.reweighting import recipes, reweight
from reweighting_case import group
from syntax import parse

N_BATCHES, G = 100, 4


def block(trainer: Any, first: str, last: str) -> Any:
    """Compile the statements of ``_generate_and_score_completions`` from the one that starts with ``first`` to ``last``."""
    source = textwrap.dedent(inspect.getsource(trainer._generate_and_score_completions))
    body = parse(source).body[0].body  # type: ignore[attr-defined]
    texts = [ast.unparse(statement) for statement in body]
    start = next(i for i, text in enumerate(texts) if text.startswith(first))
    end = next(i for i, text in enumerate(texts) if i >= start and text.startswith(last))
    return compile(ast.Module(body[start : end + 1], []), "trl", "exec")


def run(code: Any, rewards: np.ndarray, **settings: Any) -> np.ndarray:
    import torch
    from trl.trainer.utils import nanstd

    per_func = torch.tensor(rewards.reshape(-1, 1), dtype=torch.float64)
    names: dict[str, Any] = {
        "self": SimpleNamespace(reward_weights=torch.ones(1, dtype=torch.float64), beta=0.0, **settings),
        "torch": torch,
        "nanstd": nanstd,
        "device": "cpu",
        "num_generations": G,
        "rewards_per_func": per_func,
        "unscorable_mask": torch.isnan(per_func).all(dim=1),
        "rewards": torch.where(torch.isnan(per_func[:, 0]), torch.nan, per_func[:, 0]),
    }
    torch.set_default_dtype(torch.float64)  # nanstd's correction is of the default type
    try:
        exec(code, names)
    finally:
        torch.set_default_dtype(torch.float32)
    return names["advantages"].numpy()  # type: ignore[no-any-return]


def batch(rng: np.random.Generator) -> np.ndarray:
    """Return 6 groups of rewards: uniform ones, nulls, and one group of a single judged sample among them."""
    rewards = rng.choice([0.0, 1.0, 0.25, -1.0], size=(6, G))
    rewards[0] = rng.choice([0.0, 1.0, 0.7])
    rewards[1, 1:] = np.nan
    rewards[2, 2] = np.nan
    return rewards


def found(recipe: Any, rewards: np.ndarray) -> np.ndarray:
    """Return our advantages, 0 where the framework has an unscorable sample."""
    frames = [group([None if np.isnan(r) else r for r in rows], group_id=g) for g, rows in enumerate(rewards)]
    made = reweight(pl.concat(frames), recipe)
    assert set(made["drop_reason"].drop_nulls()) == {"unjudged"}
    return made["advantage"].fill_null(0.0).to_numpy()


@pytest.mark.parametrize("scale_rewards", ["group", "batch", "none"])
def test_trl_grpo(scale_rewards: Any) -> None:
    from trl import GRPOTrainer

    code = block(GRPOTrainer, "if self.multi_objective_aggregation", "advantages = torch.nan_to_num")
    rng = np.random.default_rng(20250716)
    for _ in range(N_BATCHES):
        rewards = batch(rng)
        expected = run(code, rewards, multi_objective_aggregation="sum_then_normalize", scale_rewards=scale_rewards)
        assert found(recipes.trl_grpo(scale_rewards=scale_rewards), rewards) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("normalize", [False, True])
def test_trl_rloo(normalize: bool) -> None:
    from trl import RLOOTrainer

    code = block(RLOOTrainer, "grouped_rewards = ", "advantages = torch.nan_to_num")
    rng = np.random.default_rng(20250716)
    for _ in range(N_BATCHES):
        rewards = batch(rng)
        expected = run(code, rewards, normalize_advantages=normalize)
        assert found(recipes.trl_rloo(normalize_advantages=normalize), rewards) == pytest.approx(expected, abs=1e-10)


def verl(rewards: np.ndarray, by_std: bool) -> np.ndarray:
    """Transcribe verl's compute_grpo_outcome_advantage for the rewards that are there."""
    made = np.zeros(rewards.shape)
    for row, out in zip(rewards, made, strict=True):
        judged = row[~np.isnan(row)]
        mean, std = (judged.mean(), judged.std(ddof=1)) if len(judged) > 1 else (0.0, 1.0)
        out[~np.isnan(row)] = (judged - mean) / (std + 1e-6) if by_std else judged - mean
    return made.ravel()


@pytest.mark.parametrize("by_std", [True, False])
def test_verl_grpo(by_std: bool) -> None:
    rng = np.random.default_rng(20250716)
    for _ in range(N_BATCHES):
        rewards = batch(rng)
        ours = found(recipes.verl_grpo(norm_adv_by_std_in_grpo=by_std), rewards)
        assert ours == pytest.approx(verl(rewards, by_std), abs=1e-10)


def test_the_presets_differ_in_eps_and_groups_of_one() -> None:
    # std of 1, 0 is 1/sqrt(2)
    advantages = {
        recipe.name: reweight(group([1.0, 0.0]), recipe)["advantage"][0]
        for recipe in (recipes.trl_grpo(), recipes.verl_grpo(), recipes.openrlhf_grpo())
    }
    std = 0.5**0.5
    expected = {"trl_grpo": 0.5 / (std + 1e-4), "verl_grpo": 0.5 / (std + 1e-6), "openrlhf_grpo": 0.5 / (std + 1e-9)}
    assert advantages == pytest.approx(expected, abs=1e-15)
    alone = {
        recipe.name: reweight(group([1.0]), recipe).select("advantage", "drop_reason").row(0)
        for recipe in (recipes.trl_grpo(), recipes.trl_rloo(), recipes.verl_grpo(), recipes.openrlhf_grpo())
    }
    assert alone == {
        "trl_grpo": (0.0, None),
        "trl_rloo": (0.0, None),
        "verl_grpo": (pytest.approx(1 / (1 + 1e-6)), None),
        "openrlhf_grpo": (None, "singleton"),
    }


def test_noise_of_equal_rewards_is_not_mimicked() -> None:
    sevens = group([0.7] * 7).with_columns(reward=pl.lit(0.7, pl.Float32))
    for recipe in (recipes.trl_grpo(), recipes.verl_grpo(), recipes.openrlhf_grpo()):
        assert reweight(sevens, recipe)["advantage"].to_list() == [0.0] * 7
