"""Batches for the comparison with other projects' advantage functions, and our advantages of them."""

from __future__ import annotations

import ast
import functools
import inspect
import random
import textwrap
from types import CodeType
from typing import Any

import polars as pl

from curate.reweighting.apply import reweight
from curate.reweighting.recipe import Recipe
from syntax import parse

Group = list[tuple[float | None, int]]  # reward (None = not judged) and length of each sample
Batch = list[Group]


def make_group(rng: random.Random, p_correct: float, size: int, binary: bool) -> Group:
    rewards = [float(rng.random() < p_correct) for _ in range(size)]
    if not binary and rng.random() < 0.7:
        rewards = [round(rng.gauss(reward, 1.0), 2) for reward in rewards]
    return [(reward, rng.randint(1, 6)) for reward in rewards]


def make_batches(n_batches: int, smallest: int = 2) -> list[Batch]:
    """Make ragged batches, of binary and of real rewards in turn, with many uniform groups."""
    rng = random.Random(20260206)
    batches = []
    for number in range(n_batches):
        rates = [rng.choice([0.0, 0.0, 0.3, 0.7, 1.0]) for _ in range(rng.randint(2, 8))]
        batches.append([make_group(rng, p, rng.randint(smallest, 8), number % 2 == 0) for p in rates])
    return batches


def frame_of(groups: list[Group]) -> pl.DataFrame:
    rows = [(g, i, *sample) for g, group in enumerate(groups) for i, sample in enumerate(group)]
    schema = {"group_id": pl.Int64, "sample_index": pl.Int64, "reward": pl.Float64, "n_tokens": pl.Int64}
    correct = pl.when(pl.col("reward") > 0).then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(outcome=correct)


def ours(batches: list[Batch], recipe: Recipe) -> list[list[float | None]]:
    """Return our advantages, batch by batch; one call for all where a recipe looks at one group at a time."""
    if recipe.reads_dataset:
        return [reweight(frame_of(batch), recipe)["advantage"].to_list() for batch in batches]
    found = iter(reweight(frame_of([group for batch in batches for group in batch]), recipe)["advantage"])
    return [[next(found) for group in batch for _ in group] for batch in batches]


def largest_difference(found: list[list[float | None]], expected: list[list[float]]) -> float:
    """Return the largest |a - b|; a sample that we drop is infinitely far from any number."""
    return max(
        abs(a - b) if a is not None else float("inf")
        for mine, theirs in zip(found, expected, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


@functools.cache
def trl_lines(trainer: str) -> tuple[CodeType, dict[str, Any]]:
    """Return the lines of the installed trainer that make advantages of rewards, and the module they stand in.

    They stand in a method that generates samples first, so they are cut out of its source: from the mask of unscorable
    samples to the advantages without NaN.
    """
    from trl.trainer import grpo_trainer, rloo_trainer

    module = {"GRPOTrainer": grpo_trainer, "RLOOTrainer": rloo_trainer}[trainer]
    source = inspect.getsource(getattr(module, trainer)._generate_and_score_completions)
    function = parse(textwrap.dedent(source)).body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = [ast.unparse(statement) for statement in function.body]
    start = next(i for i, line in enumerate(lines) if line.startswith("unscorable_mask ="))
    stop = next(i for i, line in enumerate(lines) if line.startswith("advantages = torch.nan_to_num"))
    return compile("\n".join(lines[start : stop + 1]), trainer, "exec"), vars(module)
