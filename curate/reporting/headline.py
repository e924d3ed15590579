"""The headline of a report, on the terminal and on top of the page: the mechanism first, then pass@k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.reporting import markup
from curate.reporting.mechanism import part_of, percent

READING = (
    "How to read it: A is how hard training pushes a sample; likeliest and rarest are the outer thirds of a group by "
    'log-prob under the policy that sampled it ("-": no correct sample there, or no log-probs); a recipe whose A is higher than '
    "another's at the rarest and lower at the likeliest works against sharpening, and its policy should lift the rarest "
    'too; "minus" is the difference of pass@k on the same prompts; brackets are 95 % intervals over prompts.'
)
INDENT, EM_SPACE = "  ", "\u2003"  # a page shows plain spaces as none
FLAG = "; *: fewer than 2k samples for some prompt"


@dataclass(frozen=True)
class Headline:
    """The figures that a report begins with, as dicts of plain values; a figure that is not known is null.

    - recipes: dataset, recipe, groups, groups_with_signal, advantage_likeliest, advantage_rarest (mean over the correct
      samples at a third of the ranks), wrong_positive (share of the kept wrong samples)
    - uplift: dataset, policy, correct, uplift_likeliest, uplift_rarest (share of the correct samples made likelier)
    - evaluations: dataset, strategies, distinct, pass_at {k: {value, low, high, is_flagged}}
    - pairs: dataset, baseline, difference {k: {value, low, high}}
    """

    recipes: Sequence[dict[str, Any]] = ()
    uplift: Sequence[dict[str, Any]] = ()
    evaluations: Sequence[dict[str, Any]] = ()
    pairs: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def tables(headline: Headline, ks: Sequence[int]) -> list[Table]:
    """Return the tables of the headline that have a row; with three ks they fit in 120 columns."""
    found = [_recipes(headline.recipes), _uplift(headline.uplift), _evaluations(headline, ks)]
    return [table for table in found if table.rows]


def headline_section(headline: Headline, ks: Sequence[int], inference: str) -> str:
    """Return the headline as HTML; nothing where it has no row."""
    shown = tables(headline, ks)
    blocks = [markup.heading(each.title) + markup.table(each.columns, _indented(each.rows)) for each in shown]
    return markup.section("Headline", *blocks, *map(markup.paragraph, (READING, inference))) if shown else ""


def _indented(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    return [(EM_SPACE + row[0].removeprefix(INDENT), *row[1:]) if row[0].startswith(INDENT) else row for row in rows]


def _recipes(rows: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "what each recipe pushes: mean A of the correct samples, by rank",
        ("dataset", "recipe", "groups with a signal", "A likeliest", "A rarest", "wrong with A > 0"),
        [
            (
                row["dataset"],
                row["recipe"],
                part_of(row["groups_with_signal"], row["groups"]),
                _signed(row["advantage_likeliest"]),
                _signed(row["advantage_rarest"]),
                percent(row["wrong_positive"]),
            )
            for row in rows
        ],
    )


def _uplift(rows: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "what training lifted: share of the correct samples made likelier, by rank",
        ("dataset", "trained policy", "correct samples", "likeliest", "rarest"),
        [
            (
                row["dataset"],
                row["policy"],
                row["correct"],
                percent(row["uplift_likeliest"]),
                percent(row["uplift_rarest"]),
            )
            for row in rows
        ],
    )


def _evaluations(headline: Headline, ks: Sequence[int]) -> Table:
    rows: list[Sequence[Any]] = []
    for each in headline.evaluations:
        name, points = each["dataset"], [each["pass_at"][k] for k in ks]
        shown = (interval(point) + (" *" if point["is_flagged"] else "") for point in points)
        rows.append((name, f"{_plain(each['distinct'])} / {_plain(each['strategies'])}", *shown))
        rows += [
            (f"{INDENT}minus {pair['baseline']}", "", *(interval(pair["difference"][k], "+") for k in ks))
            for pair in headline.pairs
            if pair["dataset"] == name
        ]
    is_flagged = any(each["pass_at"][k]["is_flagged"] for each in headline.evaluations for k in ks)
    title = "what the policies answer: distinct correct solutions a prompt, strategies where it has any, pass@k"
    columns = ("dataset", "distinct /\nstrategies", *(f"pass@{k}" for k in ks))
    return Table(title + (FLAG if is_flagged else ""), columns, rows)


def interval(estimate: dict[str, Any], sign: str = "") -> str:
    """Return ``.188 [.150, .230]``, the value alone without an interval, ``-`` for none."""
    if estimate["value"] is None:
        return "-"
    value, low, high = (
        None if estimate[key] is None else f"{estimate[key]:{sign}.3f}".replace("0.", ".", 1)
        for key in ("value", "low", "high")
    )
    return str(value) if low is None or high is None else f"{value} [{low}, {high}]"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
