"""Length rewards: three published ways to prefer short answers to long ones."""

from __future__ import annotations

import math

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.pieces import Shaping
from curate.reweighting.recipe import CORRECT
from curate.reweighting.registry import shaping
from curate.reweighting.shaping.overlong import N_TOKENS, missing_length
from curate.reweighting.values import at_least_0

STD_EPS = 1e-6


@shaping()
def kimi_length(weight: float = 1.0) -> Shaping:
    """Add a reward for being short among the group's samples (Kimi k1.5, arXiv 2501.12599).

    lambda = 0.5 - (n - min n) / (max n - min n), n = ``n_tokens``; R = r + weight * lambda for a correct sample,
    r + weight * min(0, lambda) for a wrong one. A group of one length adds nothing. ``weight`` at least 0 (the report
    does not give its value). In groups that train. A sample without n_tokens leaves as ``no_likelihood``.
    """
    at_least_0(weight=weight)
    shortest = N_TOKENS.min()
    spread = N_TOKENS.max() - shortest
    preference = pl.when(spread > 0).then(0.5 - (N_TOKENS - shortest) / spread).otherwise(0.0)
    added = pl.when(CORRECT).then(preference).otherwise(preference.clip(upper_bound=0.0))
    return Shaping(
        lambda reward, trains: pl.when(trains).then(reward + weight * added).otherwise(reward), missing=missing_length
    )


@shaping()
def lead_length(alpha: float = 0.05) -> Shaping:
    """Scale a correct sample's reward by how short it is among the correct ones (GRPO-LEAD, arXiv 2504.09696).

    R = r * exp(-alpha * z), z = (n - mean) / (std + 1e-6), mean and std (ddof 1) of ``n_tokens`` over the group's correct
    samples; a wrong sample keeps its reward, as does a lone correct one. ``alpha`` at least 0, and 0 changes nothing. The
    paper's punishment of wrong samples (-1) is a matter of their reward, its weights by difficulty are not in here; its
    code leaves groups alone whose three shortest samples have a mean of 4,000 tokens or fewer, its text does not, and is
    followed. A correct sample without n_tokens leaves as ``no_likelihood``, where its group trains.
    """
    at_least_0(alpha=alpha)
    lengths = pl.when(CORRECT).then(N_TOKENS)
    z = (N_TOKENS - lengths.mean()) / (lengths.std().fill_null(1.0) + STD_EPS)
    return Shaping(
        lambda reward, trains: pl.when(trains & CORRECT).then(reward * (-alpha * z).exp()).otherwise(reward),
        missing=lambda trains: {"no_likelihood": trains & CORRECT & N_TOKENS.is_null()},
        rewards="non_negative",
    )


@shaping(max_tokens=1000)
def cosine_length(
    max_tokens: int,
    correct_short: float = 1.0,
    correct_long: float = 0.5,
    wrong_short: float = -1.0,
    wrong_long: float = -0.5,
) -> Shaping:
    """Pay by length along half a cosine, correct samples for being short, wrong ones for being long (arXiv 2502.03373).

    R = long + (short - long) * (1 + cos(pi * n / max_tokens)) / 2, n = ``n_tokens``, with the two ends of the sample's
    outcome; from max_tokens on R is the long end (the formula alone would turn back). It takes the place of the reward.
    The ends are those of huggingface/open-r1 and TRL, the paper tunes them. In groups that train. A sample without
    n_tokens leaves as ``no_likelihood``.
    """
    if max_tokens < 1:
        raise ConfigError(f"max_tokens must be 1 or more, got {max_tokens}")
    share_short = (1 + (math.pi * (N_TOKENS / max_tokens).clip(upper_bound=1.0)).cos()) / 2
    correct = correct_long + (correct_short - correct_long) * share_short
    wrong = wrong_long + (wrong_short - wrong_long) * share_short
    return Shaping(
        lambda reward, trains: pl.when(trains).then(pl.when(CORRECT).then(correct).otherwise(wrong)).otherwise(reward),
        missing=missing_length,
        keep_groups="all",
    )
