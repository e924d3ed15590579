"""What stored samples say of a policy: pass@k, maj@k, diversity, with intervals over prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from curate.evaluating import prompts
from curate.evaluating.intervals import Estimate, mean_over_prompts

INFERENCE = (
    "prompts only: no comparison of methods. The intervals say how far a figure could move with other prompts; each "
    "policy was trained with one seed, so a difference between two may be the luck of one training run."
)

FIGURES = {  # name -> whether 0 and 1 throughout may take a Wilson interval
    "share_solved": True,
    "distinct": False,
    "strategies": False,
    "entropy": False,
    "n_tokens": False,
    "share_truncated": True,
}


@dataclass(frozen=True, slots=True)
class Point:
    """pass@k or maj@k of a dataset: the mean over the prompts with at least k judged samples.

    ``m`` is the fewest samples of those prompts, ``n_short`` counts the prompts left out for having fewer than k.
    ``is_flagged``: m < 2k, where the estimate leans on few, overlapping subsets of the samples.
    """

    k: int
    estimate: Estimate
    m: int | None
    n_short: int
    is_flagged: bool

    def as_json(self) -> dict[str, Any]:
        """Return value, low, high, method, n_prompts, m, n_short and is_flagged."""
        flags = {"m": self.m, "n_short": self.n_short, "is_flagged": self.is_flagged}
        return {**asdict(self.estimate), **flags}


@dataclass(frozen=True)
class Evaluation:
    """The figures of one dataset; ``prompts`` keeps the values of every prompt, for pairs and plots.

    ``figures``: share_solved (a correct sample among all m), distinct (different correct solutions), strategies (their
    effective number; of prompts that have one), entropy (nats a token), n_tokens, share_truncated. ``counts``:
    prompts, groups, samples, judged and correct samples, all-wrong groups, and samples left out by reason.
    ``strategies_from``: clusters or texts.
    """

    ks: tuple[int, ...]
    is_chunked: bool
    pass_at: dict[int, Point]
    maj_at: dict[int, Point]
    figures: dict[str, Estimate]
    counts: dict[str, Any]
    strategies_from: str
    prompts: pl.DataFrame

    @property
    def share_all_wrong(self) -> float | None:
        """Share of groups with a judged sample that have no correct one; null without such a group."""
        n = self.counts["n_groups_judged"]
        return self.counts["n_groups_all_wrong"] / n if n else None

    def as_json(self) -> dict[str, Any]:
        """Return every figure as plain values; a point of no prompt has null for its value, never 0."""
        return {
            "counts": self.counts,
            "share_all_wrong": self.share_all_wrong,
            "is_chunked": self.is_chunked,
            "pass_at": {str(k): point.as_json() for k, point in self.pass_at.items()},
            "maj_at": {str(k): point.as_json() for k, point in self.maj_at.items()},
            "figures": {name: asdict(estimate) for name, estimate in self.figures.items()},
            "strategies_from": self.strategies_from,
        }


def evaluate_frame(frame: pl.DataFrame, ks: Sequence[int], *, is_chunked: bool = False, seed: int = 0) -> Evaluation:
    """Evaluate the samples of one dataset, one row a sample, in stored order.

    Reads prompt_id, group_id, sample_index, outcome; and where the frame has them extracted, completion, cluster,
    n_tokens (length), sum_logprob over n_scored tokens (of the distribution sampled from), finish_reason, n_initial,
    hinted. Groups of one prompt are pooled. Left out, and counted: hinted samples, samples drawn after a stopping rule looked (sample_index >=
    n_initial), and, of pass@k, maj@k and solutions, samples that were not judged (timeout, error, null). A figure
    whose columns are absent or null is null. pass@k is unbiased, or chunked where asked. ``seed`` is for resamples and
    the subsets of maj@k. A prompt without a judged sample has m = 0 and counts as short of every k.
    """
    drawn, left_out = prompts.drawn(frame)
    is_clustered = prompts.has_clusters(drawn)
    table = prompts.per_prompt(drawn, is_clustered)
    table = table.with_columns(
        *(pl.Series(f"pass@{k}", prompts.pass_column(drawn, table, k, is_chunked), dtype=pl.Float64) for k in ks),
        *(pl.Series(f"maj@{k}", prompts.maj_column(drawn, table, k, seed), dtype=pl.Float64) for k in ks),
    )
    return Evaluation(
        ks=tuple(ks),
        is_chunked=is_chunked,
        pass_at={k: _point(table, f"pass@{k}", k, seed) for k in ks},
        maj_at={k: _point(table, f"maj@{k}", k, seed) for k in ks},
        figures={name: _mean(table[name], is_share, seed) for name, is_share in FIGURES.items()},
        counts={**prompts.counts(drawn), "left_out": left_out},
        strategies_from="clusters" if is_clustered else "texts",
        prompts=table,
    )


def _point(table: pl.DataFrame, column: str, k: int, seed: int) -> Point:
    smallest: Any = table.filter(pl.col(column).is_not_null())["m"].min()
    n_short = table.filter(pl.col("m") < k).height
    is_flagged = smallest is not None and smallest < 2 * k
    return Point(k, _mean(table[column], True, seed), smallest, n_short, is_flagged)


def _mean(values: pl.Series, is_share: bool, seed: int) -> Estimate:
    known = values.drop_nulls().to_numpy().astype(np.float64)
    return mean_over_prompts(known, is_share=is_share, seed=seed)
