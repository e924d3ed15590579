"""Diagnostics: what a recipe made of the samples, as sums that add up over parts.

``diagnose`` counts one part, ``merge`` adds parts, ``summarize`` turns the sums into figures. A figure whose columns
are absent is null, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from curate.reweighting.drawdown import DRAWN_TO, drawn_to
from curate.reweighting.order import GROUP, KEY, in_key_order
from curate.reweighting.reasons import REASONS

MAX_RANKS = 128  # the last entry of a list by rank holds all later ranks
CLASSES = ("unjudged", "singleton", "all_wrong", "all_correct", "mixed")

_ADVANTAGE = pl.col("advantage")
_CORRECT = pl.col("correct")
_KEPT = _ADVANTAGE.is_not_null()
_OPTIONAL = ("mean_logprob", "sum_logprob", "likelihood_rank", "rts", "n_steps", "n_tokens")

Stats = dict[str, Any]


def diagnose(frame: pl.DataFrame, draw: int | None = None) -> Stats:
    """Count what ``reweight`` did to the samples of ``frame``: JSON-able sums, additive over parts of whole groups.

    ``draw`` is what ``reweight`` got.

    - rows, rows_kept, rows_dropped by reason; groups, groups_kept, groups_dropped by the reason of those dropped
      whole; groups_by_class by the outcomes of their judged samples
    - kept samples: correct, and of those A < 0; wrong, and of those A > 0 (the phantom advantage)
    - groups_degenerate: dropped as such, or kept with every advantage 0
    - groups_cancelled: kept groups with one correct sample whose reward was shaped while its advantage is the plain
      (G-1)/sqrt(G): the std took the shaping back
    - max_abs_advantage (merged by max)
    - mass: over kept samples, sum of |A| w of the correct and of the wrong ones, and of its square; ``rows`` says of how
      many samples of the part this is known
    - groups_drawn: those sampled under a stopping rule; advantages_at_cap: kept samples of them at +-sqrt(G)
    - advantage_by_rank: count and sum of A of kept correct samples by likelihood rank in the group, 1 = most likely
      by mean_logprob, a shared average rank rounded down; ``likelihood_rank`` is used where the frame has it and no
      sample is surplus (a surplus one has no rank among those that train)
    - rank_agreement: of pairs of kept samples next to each other by sample_index, how many mean_logprob and
      sum_logprob order alike, oppositely, or tie
    - rts_with_n_steps, rts_with_n_tokens: moments over samples that have both
    """
    samples = in_key_order(_columns(frame, draw)).frame
    drops = _count_drops(samples)
    return {
        **_count_rows(samples),
        **drops,
        **_count_groups(samples),
        **_count_drawn(samples),
        "groups_degenerate": drops["groups_dropped"]["degenerate"] + _kept_without_signal(samples),
        "groups_cancelled": _cancelled(samples),
        "mass": _mass(samples),
        "advantage_by_rank": _advantage_by_rank(samples),
        "rank_agreement": _rank_agreement(samples),
        "rts_with_n_steps": _moments(samples, "rts", "n_steps"),
        "rts_with_n_tokens": _moments(samples, "rts", "n_tokens"),
    }


def _columns(frame: pl.DataFrame, draw: int | None) -> pl.DataFrame:
    """Select what is counted: numbers as float64, whether a judged sample is correct, and what its group is drawn to."""
    present = [pl.col(column).cast(pl.Float64) for column in _OPTIONAL if column in frame.columns]
    outcome = pl.col("outcome").cast(pl.String) == "correct" if "outcome" in frame.columns else pl.col("reward") == 1
    size = drawn_to(frame, draw)
    return frame.select(
        *KEY,
        pl.col("reward", "shaped", "advantage", "weight").cast(pl.Float64),
        "drop_reason",
        "group_size",
        "n_correct",
        *present,
        correct=pl.when(pl.col("reward").is_not_null()).then(outcome),
        drawn_to=pl.lit(None, pl.Int64) if size is None else size,
    )


def _count_rows(samples: pl.DataFrame) -> Stats:
    return samples.select(
        rows=pl.len(),
        rows_kept=_KEPT.sum(),
        correct_kept=(_KEPT & _CORRECT).sum(),
        correct_negative=(_CORRECT & (_ADVANTAGE < 0)).sum(),
        wrong_kept=(_KEPT & ~_CORRECT).sum(),
        wrong_positive=(~_CORRECT & (_ADVANTAGE > 0)).sum(),
        max_abs_advantage=pl.max_horizontal(_ADVANTAGE.max(), -_ADVANTAGE.min()),
    ).row(0, named=True)


def _mass(samples: pl.DataFrame) -> Stats:
    pull = _ADVANTAGE.abs() * pl.col("weight")
    return samples.select(
        rows=pl.len(),
        correct=pull.filter(_CORRECT).sum(),
        wrong=pull.filter(~_CORRECT).sum(),
        squares=(pull * pull).sum(),
    ).row(0, named=True)


def _count_drops(samples: pl.DataFrame) -> Stats:
    """Count rows by reason, and groups of which no row is kept by the reason of the rows that stayed longest."""
    took_part = pl.col("shaped").is_not_null()
    columns = samples.select(GROUP, "shaped", "drop_reason", "group_size")
    left = columns.filter(~took_part)
    # Of the samples that took part, those of one group that are dropped share one reason: the first stands for them.
    n_groups = columns.filter(took_part)[GROUP].n_unique()
    groups = (
        columns.filter(took_part & pl.col("drop_reason").is_not_null())
        .group_by(GROUP, maintain_order=True)
        .agg(pl.col("drop_reason", "group_size").first(), rows=pl.len())
    )
    whole = groups.filter(pl.col("rows") == pl.col("group_size"))
    rows = dict(groups.group_by("drop_reason").agg(pl.col("rows").sum()).iter_rows())
    # Alphabetically "unjudged" comes last: a group is unjudged only if nothing else was missing.
    nobody = left.filter(pl.col("group_size") == 0).group_by(GROUP).agg(pl.col("drop_reason").min())
    return {
        "rows_dropped": _named(REASONS, rows, _tally(left["drop_reason"])),
        "groups_dropped": _named(REASONS, _tally(whole["drop_reason"]), _tally(nobody["drop_reason"])),
        "groups_kept": n_groups - whole.height,
    }


def _count_groups(samples: pl.DataFrame) -> Stats:
    groups = samples.group_by(GROUP, maintain_order=True).agg(judged=pl.col("reward").count(), correct=_CORRECT.sum())
    judged, correct = pl.col("judged"), pl.col("correct")
    by_outcome = pl.when(correct == 0).then(pl.lit("all_wrong")).when(correct == judged).then(pl.lit("all_correct"))
    group_class = (
        pl.when(judged == 0)
        .then(pl.lit("unjudged"))
        .when(judged == 1)
        .then(pl.lit("singleton"))
        .otherwise(by_outcome.otherwise(pl.lit("mixed")))
    )
    return {
        "groups": groups.height,
        "groups_by_class": _named(CLASSES, _tally(groups.select(group_class).to_series())),
    }


def _count_drawn(samples: pl.DataFrame) -> Stats:
    drawn = samples.filter(DRAWN_TO.is_not_null())
    return {
        "groups_drawn": drawn[GROUP].n_unique(),
        "advantages_at_cap": drawn.filter(_ADVANTAGE.abs() >= DRAWN_TO.sqrt()).height,
    }


def _cancelled(samples: pl.DataFrame) -> int:
    columns = samples.select("reward", "shaped", "advantage", "correct", "n_correct", "group_size")
    alone = columns.filter(_KEPT & _CORRECT & (pl.col("n_correct") == 1))
    size = pl.col("group_size")
    plain = (size - 1) / size.sqrt()
    same = (_ADVANTAGE - plain).abs() < 0.01 * plain  # eps moves it by less
    return alone.filter((pl.col("shaped") != pl.col("reward")) & same).height


def _kept_without_signal(samples: pl.DataFrame) -> int:
    zeros = (
        samples.select(GROUP, "advantage", "group_size")
        .filter(_ADVANTAGE == 0)
        .group_by(GROUP)
        .agg(n=pl.len(), size=pl.col("group_size").first())
    )
    return zeros.filter(pl.col("n") == pl.col("size")).height


def _tally(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts().iter_rows())


def _named(names: Sequence[str], *counts: Mapping[str, int]) -> dict[str, int]:
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def _advantage_by_rank(samples: pl.DataFrame) -> Stats | None:
    is_surplus = pl.col("drop_reason").eq_missing("surplus")
    if "likelihood_rank" in samples.columns and not samples.select(is_surplus.any()).item():
        rank = pl.col("likelihood_rank")
    elif "mean_logprob" in samples.columns:
        rank = pl.when(~is_surplus).then("mean_logprob").rank("average", descending=True).over(GROUP)
    else:
        return None
    by_rank = (
        samples.select("advantage", "correct", rank=rank)
        .filter(_KEPT & _CORRECT & pl.col("rank").is_not_null())
        .group_by(pl.col("rank").clip(upper_bound=MAX_RANKS).cast(pl.Int64))
        .agg(n=pl.len(), sum=_ADVANTAGE.sum())
    )
    found = {rank: (n, total) for rank, n, total in by_rank.iter_rows()}
    listed = [found.get(rank, (0, 0.0)) for rank in range(1, max(found, default=0) + 1)]
    return {"n": [n for n, _ in listed], "sum": [total for _, total in listed]}


def _rank_agreement(samples: pl.DataFrame) -> Stats | None:
    if not {"mean_logprob", "sum_logprob"} <= set(samples.columns):
        return None
    kept = samples.select(GROUP, "mean_logprob", "sum_logprob", "advantage").filter(_KEPT)
    product = pl.col("mean_logprob").diff().sign() * pl.col("sum_logprob").diff().sign()
    return (
        kept.select(product=pl.when(pl.col(GROUP) == pl.col(GROUP).shift()).then(product))
        .select(
            pairs=pl.col("product").count(),
            alike=(pl.col("product") > 0).sum(),
            opposite=(pl.col("product") < 0).sum(),
        )
        .row(0, named=True)
    )


def _moments(samples: pl.DataFrame, x: str, y: str) -> Stats | None:
    if not {x, y} <= set(samples.columns):
        return None
    a, b = pl.col(x), pl.col(y)
    both = samples.select(x, y).drop_nulls()
    return both.select(n=pl.len(), x=a.sum(), y=b.sum(), xx=(a * a).sum(), yy=(b * b).sum(), xy=(a * b).sum()).row(
        0, named=True
    )


def merge(parts: Iterable[Stats]) -> Stats:
    """Add the statistics of parts: sums add, maxima are compared, what one part lacks (null) is left out.

    Of no part at all gives {}.
    """
    total: Stats = {}
    for part in parts:
        total = {key: _add(key, total.get(key), part.get(key)) for key in {**total, **part}}
    return total


def _add(key: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, dict):
        return {inner: _add(inner, one.get(inner), other.get(inner)) for inner in {**one, **other}}
    if isinstance(one, list):
        padding = len(one) - len(other)
        longer, shorter = (one, other + [0] * padding) if padding >= 0 else (other, one + [0] * -padding)
        return [a + b for a, b in zip(longer, shorter, strict=True)]
    return max(one, other) if key.startswith("max_") else one + other


def summarize(stats: Stats) -> Stats:
    """Turn the sums of ``diagnose`` or ``merge`` into figures; the counts stay as they are.

    ``groups_with_signal`` have a kept advantage that is not 0, and their share is of all groups; the other shares are of
    kept samples; ``mean_advantage_by_rank`` is null where no kept correct sample had the rank;
    ``rank_agreement`` is Kendall's tau-a of mean_logprob against sum_logprob, estimated from neighbouring pairs;
    ``rts_with_*`` are Pearson correlations; ``mass_correct`` and ``mass_wrong`` the sums of |A| w, and
    ``effective_samples`` (sum |A| w)^2 / sum (A w)^2: as many equal pulls would give the gradient the same noise. Of
    token_advantages these figures know nothing. Parts made before there were mass sums give null, as nothing to divide by.
    """
    ranks = stats["advantage_by_rank"]
    pairs = stats["rank_agreement"]
    kept_at_zero = stats["groups_degenerate"] - stats["groups_dropped"]["degenerate"]
    with_signal = stats["groups_kept"] - kept_at_zero
    figures = {
        "groups_with_signal": with_signal,
        "share_groups_with_signal": _ratio(with_signal, stats["groups"]),
        "share_correct_negative": _ratio(stats["correct_negative"], stats["correct_kept"]),
        "share_wrong_positive": _ratio(stats["wrong_positive"], stats["wrong_kept"]),
        "mean_advantage_by_rank": ranks and [_ratio(a, n) for a, n in zip(ranks["sum"], ranks["n"], strict=True)],
        "rank_agreement": pairs and _ratio(pairs["alike"] - pairs["opposite"], pairs["pairs"]),
        "rts_with_n_steps": _pearson(stats["rts_with_n_steps"]),
        "rts_with_n_tokens": _pearson(stats["rts_with_n_tokens"]),
        **_masses(stats),
    }
    return {**{key: value for key, value in stats.items() if key not in ("advantage_by_rank", "mass")}, **figures}


def _masses(stats: Stats) -> Stats:
    mass = stats.get("mass")
    if mass is None or mass["rows"] != stats["rows"]:
        return dict.fromkeys(("mass_correct", "mass_wrong", "effective_samples"))
    effective = _ratio((mass["correct"] + mass["wrong"]) ** 2, mass["squares"])
    return {"mass_correct": mass["correct"], "mass_wrong": mass["wrong"], "effective_samples": effective}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _pearson(sums: Stats | None) -> float | None:
    if sums is None or sums["n"] < 2:
        return None
    n = sums["n"]
    var_x = sums["xx"] - sums["x"] ** 2 / n
    var_y = sums["yy"] - sums["y"] ** 2 / n
    # Below rounding noise of the sums a variance is 0, and there is no correlation.
    if var_x <= 1e-12 * sums["xx"] or var_y <= 1e-12 * sums["yy"]:
        return None
    return float((sums["xy"] - sums["x"] * sums["y"] / n) / math.sqrt(var_x * var_y))
