"""Online use: the recipes of the catalogue on a live trainer's tensors.

import curate.torch
batch["advantages"] = curate.torch.advantages(rewards, logprobs, group_ids, "grpo", mask=completion_mask)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import polars as pl
import torch
from torch import Tensor

from curate.errors import ConfigError
from curate.reweighting import Recipe, build, needed_columns, reweight

_OURS = {"group_id", "sample_index", "reward", "outcome"}
_FROM = {"mean_logprob": "logprobs", "sum_logprob": "logprobs of each token, (N, T)", "n_tokens": "mask"}


@overload
def advantages(
    rewards: Tensor,
    logprobs: Tensor | None,
    group_ids: Tensor | Sequence[Any],
    recipe: Recipe | str,
    *,
    mask: Tensor | None = None,
    judged: Tensor | None = None,
    correct: Tensor | None = None,
    return_kept: Literal[False] = False,
    **columns: Tensor | Sequence[Any],
) -> Tensor: ...


@overload
def advantages(
    rewards: Tensor,
    logprobs: Tensor | None,
    group_ids: Tensor | Sequence[Any],
    recipe: Recipe | str,
    *,
    mask: Tensor | None = None,
    judged: Tensor | None = None,
    correct: Tensor | None = None,
    return_kept: Literal[True],
    **columns: Tensor | Sequence[Any],
) -> tuple[Tensor, Tensor]: ...


def advantages(
    rewards: Tensor,
    logprobs: Tensor | None,
    group_ids: Tensor | Sequence[Any],
    recipe: Recipe | str,
    *,
    mask: Tensor | None = None,
    judged: Tensor | None = None,
    correct: Tensor | None = None,
    return_kept: bool = False,
    **columns: Tensor | Sequence[Any],
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the advantages that a recipe gives a batch, (N,), on the device and in the dtype of ``rewards``.

    The result is ``advantage * weight`` of ``curate.reweight`` on the same rows, computed in float64 on the CPU: weights
    are not negative, so that in a loss that is linear in the advantage (and in PPO's clipped one) they may as well stand
    there. A dropped sample has 0, as has a kept one without signal; ``return_kept`` gives a second tensor, (N,) Boolean,
    that tells them apart, for a loss that averages over kept samples. A weighting's ``kl_scale`` is left out.

    - rewards: (N,), NaN where not judged; or ``judged`` (N,), Boolean, says which are
    - logprobs: (N,) mean log-prob of the completion's tokens, natural logs; or (N, T) of each token; or None. NaN =
      not scored
    - group_ids: (N,), whatever tells groups apart, in any order; a group must be whole (gather over processes first)
    - recipe: one of ``curate.recipes``, or the name of one whose parameters all have defaults
    - mask: (N, T), 1 for the tokens of the completion; without it all T are; n_tokens is its sum
    - correct: (N,), Boolean, needed where rewards are not 0 and 1
    - columns: what else the recipe reads, by its name in the tables (``rts``, ``prompt_id``, ``score_clarity``): (N,)
      tensors with NaN for unknown, or sequences with None

    A recipe that reads the whole dataset (sums, weightings) takes the batch for it. Raises ConfigError for shapes that
    do not agree, a column that is not there, rewards the recipe is not defined for, and a recipe that spreads
    advantages over tokens: that needs stored tables.
    """
    made = build(recipe) if isinstance(recipe, str) else recipe
    if made.estimator.credit is not None:
        raise ConfigError(
            f"{made.name} spreads advantages over tokens from stored tables: use `curate reweight DIR --recipe {made.name}`"
        )
    if rewards.dim() != 1:
        raise ConfigError(f"rewards must have one axis, (N,), and have the shape {tuple(rewards.shape)}")
    if taken := sorted(set(columns) & _OURS):
        raise ConfigError(f"{', '.join(taken)} cannot be given by keyword: rewards, group_ids and correct say it")
    made_of = {
        "group_id": group_ids,
        "sample_index": range(len(rewards)),
        "reward": _judged(rewards, judged),
        **_likelihoods(len(rewards), logprobs, mask),
        **columns,
    }
    frame = pl.DataFrame([_column(name, values, len(rewards)) for name, values in made_of.items()])
    if correct is not None:
        is_correct = _column("correct", correct, len(rewards)).cast(pl.Boolean)
        outcome = pl.when(is_correct).then(pl.lit("correct")).otherwise(pl.lit("incorrect"))
        frame = frame.with_columns(outcome=pl.when(pl.col("reward").is_not_null()).then(outcome))
    for name in set(needed_columns(made)) - set(frame.columns) - {"outcome", "n_initial"}:
        raise ConfigError(f"{made.name} reads {name}: give {_FROM.get(name, f'it by keyword, {name}=')}")
    weighted = reweight(frame, made)
    dtype = rewards.dtype if rewards.is_floating_point() else torch.get_default_dtype()
    values = (weighted["advantage"] * weighted["weight"]).fill_null(0.0)
    found = torch.tensor(values.to_list(), dtype=dtype, device=rewards.device)
    if not return_kept:
        return found
    return found, torch.tensor(weighted["advantage"].is_not_null().to_list(), dtype=torch.bool, device=rewards.device)


def _judged(rewards: Tensor, judged: Tensor | None) -> Tensor:
    """Return the rewards in float64, NaN where a sample was not judged."""
    if judged is None:
        return rewards.double()
    if judged.shape != rewards.shape:
        raise ConfigError(f"judged has the shape {tuple(judged.shape)}, and rewards {tuple(rewards.shape)}")
    return torch.where(judged.bool(), rewards.double(), torch.nan)


def _likelihoods(n: int, logprobs: Tensor | None, mask: Tensor | None) -> dict[str, Tensor]:
    """Return the columns of likelihoods that log-probs and mask give; a completion of no token has no log-prob."""
    known: dict[str, Tensor] = {}
    is_token = mask.bool() if mask is not None else None
    if logprobs is not None and logprobs.dim() == 2 and is_token is None:
        is_token = torch.ones_like(logprobs, dtype=torch.bool)
    if is_token is not None:
        known["n_tokens"] = is_token.sum(-1)
        if is_token.dim() != 2 or len(is_token) != n:
            raise ConfigError(f"mask has the shape {tuple(is_token.shape)}: it must be (N, T), with N = {n}")
    if logprobs is None:
        return known
    if logprobs.dim() == 1:
        return known | {"mean_logprob": logprobs}
    if is_token is None or logprobs.shape != is_token.shape:
        raise ConfigError(f"logprobs have the shape {tuple(logprobs.shape)}: they must be (N,), or (N, T) as the mask")
    total = torch.where(is_token, logprobs.double(), 0.0).sum(1)
    mean = total / known["n_tokens"]
    return known | {"sum_logprob": torch.where(known["n_tokens"] > 0, total, torch.nan), "mean_logprob": mean}


def _column(name: str, values: Tensor | Sequence[Any], n: int) -> pl.Series:
    """Return one value a sample, NaN as null; raises ConfigError for another shape."""
    if isinstance(values, Tensor):
        if values.dim() != 1:
            raise ConfigError(f"{name} must have one axis, (N,), and has the shape {tuple(values.shape)}")
        stored = values.detach().double() if values.is_floating_point() else values.detach()
        made = pl.Series(name, stored.cpu().numpy(), nan_to_null=True)
    else:
        made = pl.Series(name, values, nan_to_null=True)
    if len(made) != n:
        raise ConfigError(f"{name} has {len(made)} values for {n} rewards: one for each sample is needed")
    return made
