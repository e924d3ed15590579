"""Soft overlong punishment: less reward for samples that near the token limit (arXiv 2503.14476)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from curate.errors import ConfigError
from curate.reweighting.pieces import Shaping
from curate.reweighting.registry import shaping
from curate.reweighting.values import at_least_0

N_TOKENS = pl.col("n_tokens")


@shaping(max_tokens=20480, cache=4096)
def overlong(max_tokens: int, cache: int, factor: float = 1.0) -> Shaping:
    """Take reward from samples that near the token limit (DAPO, arXiv 2503.14476, equation 13).

    R = r + factor * p with p = 0 up to max_tokens - cache tokens, from there linear to -1 at max_tokens, and -1 beyond.
    ``max_tokens`` and ``cache`` in tokens, 0 < cache <= max_tokens; ``factor`` at least 0, and 0 changes nothing. Correct
    and wrong samples alike, in groups that train. The paper's rewards are +1 and -1; with 1 and 0 a factor of 0.5 is its
    proportion. A sample without ``n_tokens`` leaves as ``no_likelihood``.
    """
    at_least_0(factor=factor)
    if not 0 < cache <= max_tokens:
        raise ConfigError(f"cache is {cache}: the punishment needs 1 to max_tokens = {max_tokens} tokens to grow in")
    return Shaping(
        lambda reward, trains: pl.when(trains).then(reward + factor * punishment(max_tokens, cache)).otherwise(reward),
        missing=missing_length,
    )


def punishment(max_tokens: int, cache: int) -> pl.Expr:
    """Give 0 up to max_tokens - cache tokens, then linear to -1 at max_tokens, -1 beyond; null without n_tokens."""
    return ((max_tokens - cache - N_TOKENS) / cache).clip(-1.0, 0.0)


def missing_length(trains: pl.Expr) -> Mapping[str, pl.Expr]:
    """Say which samples of groups that train have no ``n_tokens``."""
    return {"no_likelihood": trains & N_TOKENS.is_null()}
