"""Which stored log-probs may stand for the policy that sampled, and what each behaviour mode refuses.

``bypass`` takes them as the old policy of the ratio. ``decoupled`` computes the old policy anew and keeps them for an
importance weight. ``recompute`` treats the samples as this model's own and reads none.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import polars as pl

from curate.errors import ConfigError

Mode = Literal["bypass", "decoupled", "recompute"]

# Re-tokenized text has other tokens than the sampler's log-probs.
BEHAVIOUR = pl.when(pl.col("token_exact")).then("logprobs")

# What is wrong with a row's log-probs, the first that applies; null = nothing, or nothing that is known.
PROBLEM = (
    pl.when(BEHAVIOUR.is_null())
    .then(pl.lit("absent"))
    .when(pl.col("temperature") == 0)
    .then(pl.lit("greedy"))
    .when((pl.col("logprob_semantics") == "raw") & (pl.col("temperature") != 1))
    .then(pl.lit("raw"))
    .when(pl.col("top_p") < 1)
    .then(pl.lit("truncated_support"))
)

SENTENCES = {
    "absent": "{n:,} of {total:,} rows have no log-probs of the exact tokens that were sampled",
    "greedy": "{n:,} of {total:,} rows were sampled at temperature 0, where a ratio of probabilities says nothing",
    "raw": "{n:,} of {total:,} rows have raw log-probs and were sampled at a temperature other than 1, so these are not "
    "the log-probs of what was sampled from",
    "truncated_support": "{n:,} of {total:,} rows were sampled with top_p below 1, so tokens outside of it had no probability "
    "and the ratio is not one of the same support",
    "mixed": "{n:,} groups mix samples of several policies, and each row's ratio is against another one",
}
REFUSED: dict[Mode, tuple[str, ...]] = {
    "bypass": ("absent", "greedy", "raw", "truncated_support", "mixed"),
    "decoupled": ("absent", "greedy", "raw"),
    "recompute": (),
}


def refuse(problems: Counter[str], mode: Mode, total: int) -> None:
    """Raise ConfigError, with every count and what to do, where the mode cannot use the stored log-probs.

    ``problems`` counts the rows of each ``PROBLEM`` and, as ``mixed``, groups of several policies.
    """
    found = [name for name in REFUSED[mode] if problems[name]]
    if not found:
        return
    what = "; ".join(SENTENCES[name].format(n=problems[name], total=total) for name in found)
    ways = []
    if mode == "bypass" and not set(found) & set(REFUSED["decoupled"]):
        ways.append("--behaviour decoupled (old log-probs from this model, corrected by an importance weight)")
    ways.append("--behaviour recompute (old log-probs from this model: the samples are treated as on-policy)")
    if found == ["mixed"]:
        ways.append("--allow-mixed-policy, if you know that it does no harm")
    raise ConfigError(f"--behaviour {mode} cannot use the stored log-probs: {what}. Choose {', or '.join(ways)}")
