"""Evaluations as people read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.figures import share

if TYPE_CHECKING:
    from curate.evaluating import Estimate, Evaluation, Pair, Point, Uplift


def print_evaluations(evaluations: dict[str, Evaluation], pairs: dict[str, list[Pair]]) -> None:
    """Print pass@k, diversity and pairs as tables, and what must be known to read them."""
    from curate.console import print_table

    ks = next(iter(evaluations.values())).ks
    is_chunked = next(iter(evaluations.values())).is_chunked
    print_table(
        ("dataset", "prompts", "m", *(f"pass@{k}" for k in ks)),
        [_pass_row(name, evaluation) for name, evaluation in evaluations.items()],
        title=f"pass@k, {'blocks of k in order' if is_chunked else 'unbiased'}, with 95 % intervals over prompts",
    )
    print_table(
        (
            "dataset",
            *(f"maj@{k}" for k in ks),
            "all-wrong groups",
            "distinct",
            "strategies",
            "entropy",
            "tokens",
            "cut",
        ),
        [_diversity_row(name, evaluation) for name, evaluation in evaluations.items()],
        title="a prompt: different correct solutions, their effective number; nats a token; tokens; share cut off",
    )
    if pairs:
        print_table(
            ("dataset", "k", "prompts", "difference", "higher", "same", "lower"),
            [_pair_row(name, pair) for name, each in pairs.items() for pair in each],
            title=f"pass@k minus that of {next(iter(evaluations))}, prompt by prompt",
        )
    _say_notes(evaluations, pairs)


def print_uplift(dataset: Path, model: Path, uplift: Uplift) -> None:
    """Print the uplift rate of correct samples by their rank under the initial model, and how many were not scored."""
    from curate.console import print_table, say

    places = [(place.ranks, place.n, share(place.rate)) for place in uplift.bins]
    print_table(
        ("rank", "correct samples", "uplift rate"),
        [*places, ("all", uplift.n_correct, share(uplift.rate))],
        title=f"uplift by rank: {dataset}",
    )
    say(
        f"uplift rate: share of the correct samples that {model.name} makes likelier than the initial model did; "
        "rank 0 is the likeliest of its group under the initial model"
    )
    if uplift.n_not_scored:
        say(f"{uplift.n_not_scored:,} samples without both log-probs were left out of their groups")


def interval(estimate: Estimate, *, is_signed: bool = False) -> str:
    """Return ``.188 [.150, .230]``, the value alone where there is no interval, ``-`` where there is no value."""
    if estimate.value is None:
        return "-"
    sign = "+" if is_signed else ""
    value = f"{estimate.value:{sign}.3f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _pass_row(name: str, evaluation: Evaluation) -> list[Any]:
    m: list[int] = evaluation.prompts["m"].to_list()
    fewest, most = min(m), max(m)
    sizes = f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}"
    return [name, len(m), sizes, *(_point(point) for point in evaluation.pass_at.values())]


def _point(point: Point) -> str:
    return interval(point.estimate) + (" *" if point.is_flagged else "")


def _diversity_row(name: str, evaluation: Evaluation) -> list[Any]:
    figures = evaluation.figures
    return [
        name,
        *(_plain(point.estimate, 3) for point in evaluation.maj_at.values()),
        share(evaluation.share_all_wrong),
        _plain(figures["distinct"], 2),
        _plain(figures["strategies"], 2),
        _plain(figures["entropy"], 3),
        _plain(figures["n_tokens"], 1),
        share(figures["share_truncated"].value),
    ]


def _plain(estimate: Estimate, digits: int) -> str:
    return "-" if estimate.value is None else f"{estimate.value:.{digits}f}"


def _pair_row(name: str, pair: Pair) -> list[Any]:
    difference = interval(pair.difference, is_signed=True)
    return [name, pair.k, pair.difference.n_prompts, difference, pair.n_wins, pair.n_ties, pair.n_losses]


def _say_notes(evaluations: dict[str, Evaluation], pairs: dict[str, list[Pair]]) -> None:
    from curate.console import say

    for name, evaluation in evaluations.items():
        points = evaluation.pass_at.values()
        flagged = [point.k for point in points if point.is_flagged]
        if flagged:
            say(f"* {name}: fewer than 2k samples a prompt at k = {_listed(flagged)}: the estimate is coarse there")
        for point in points:
            if point.n_short:
                say(
                    f"{name}: {point.n_short:,} prompts with fewer than {point.k} judged samples are not in pass@{point.k}"
                )
        if evaluation.counts["left_out"]:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in evaluation.counts["left_out"].items())
            say(f"{name}: samples left out: {reasons}")
    for name, each in pairs.items():
        pair = each[0]
        if pair.n_only_baseline or pair.n_only_policy:
            say(
                f"{name}: compared on the common prompts alone; {pair.n_only_baseline:,} are in the baseline only, "
                f"{pair.n_only_policy:,} in it only"
            )
    kinds = {evaluation.strategies_from for evaluation in evaluations.values()}
    if kinds == {"clusters"}:
        say("strategies: effective number of clusters (feedback/judge=canonical or --judge) among the correct samples")
    elif kinds == {"texts"}:
        say("strategies: effective number of different texts among the correct samples; no clusters of strategies here")
    else:
        say("strategies: some datasets have clusters and others only texts, so that column does not compare")


def _listed(ks: list[int]) -> str:
    return ", ".join(str(k) for k in ks)
