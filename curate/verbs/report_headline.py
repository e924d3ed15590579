"""The headline of a report, from what its sections found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.evaluating import Estimate, Point
    from curate.reporting import Headline, Mechanism
    from curate.verbs.report_passk import Evaluated


def make_headline(mechanisms: list[Mechanism], evaluated: Evaluated, ks: list[int]) -> Headline:
    """Return the figures that the report begins with."""
    from curate.reporting import Headline

    return Headline(
        recipes=[_recipe(each.label, row) for each in mechanisms for row in each.recipes.to_dicts()],
        uplift=[_uplift(each.label, row) for each in mechanisms for row in each.lifted.to_dicts()],
        evaluations=[
            {
                "dataset": label,
                "strategies": each.figures["strategies"].value,
                "distinct": each.figures["distinct"].value,
                "pass_at": {k: _point(each.pass_at[k]) for k in ks},
            }
            for label, each in evaluated.evaluations.items()
        ],
        pairs=_pairs(evaluated),
    )


def print_headline(headline: Headline, ks: list[int]) -> None:
    """Print the headline as tables to stdout, and how to read it to stderr; nothing where it is empty."""
    from curate.console import print_table, say
    from curate.evaluating import INFERENCE
    from curate.reporting import READING, tables

    shown = tables(headline, ks)
    for each in shown:
        print_table(each.columns, each.rows, title=each.title)
    if shown:
        say(READING)
        say(INFERENCE)


def headline_as_json(headline: Headline) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    from curate.evaluating import INFERENCE

    return {**asdict(headline), "inference": INFERENCE}


def _recipe(label: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": label,
        "recipe": row["name"],
        "groups": row["groups"],
        "groups_with_signal": row["signal"],
        "advantage_likeliest": row["likeliest"],
        "advantage_rarest": row["rarest"],
        "wrong_positive": row["wrong_positive"],
    }


def _uplift(label: str, row: dict[str, Any]) -> dict[str, Any]:
    thirds = {"uplift_likeliest": row["likeliest"], "uplift_rarest": row["rarest"]}
    return {"dataset": label, "policy": row["name"], "correct": row["n"], **thirds}


def _pairs(evaluated: Evaluated) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for (label, baseline, k), pair in evaluated.pairs.items():
        found.setdefault((label, baseline), {})[k] = _estimate(pair.difference)
    return [{"dataset": label, "baseline": baseline, "difference": each} for (label, baseline), each in found.items()]


def _point(point: Point) -> dict[str, Any]:
    is_known = point.estimate.value is not None
    return {**_estimate(point.estimate), "is_flagged": is_known and point.is_flagged}


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
