"""Section 2: what the recipes do to the policy, and what training did with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.reporting import charts, markup

ALIKE = 0.01  # of the range of y
TRAINS = "trains"


@dataclass(frozen=True)
class Mechanism:
    """The recipes of one dataset, and the policies trained from it.

    - by_rank: name (recipe), x (ranks), y (mean advantage of correct samples, null where none has the rank)
    - groups: name, kind (trains, or why not), n: what becomes of the groups under each recipe
    - recipes: name, groups, signal (groups that train), rows, rows_kept, correct_negative, wrong_positive (shares of
      the kept correct and wrong samples, null without any), max_abs_advantage, likeliest, rarest (mean advantage of
      the correct samples at a third of the ranks)
    - dropped: name, reason, n (samples)
    - uplift: name (scorer), x (ranks), y (share of correct samples that became likelier), n
    - lifted: name (scorer), n (correct samples), likeliest, rarest (that share at a third of the ranks)
    """

    label: str
    by_rank: pl.DataFrame
    groups: pl.DataFrame
    recipes: pl.DataFrame
    dropped: pl.DataFrame
    uplift: pl.DataFrame
    lifted: pl.DataFrame
    notes: Sequence[str] = ()


def mechanism(datasets: Sequence[Mechanism], strategies: pl.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return the section on mechanism, as HTML.

    ``strategies``: name (dataset), y (mean effective number of strategies among correct samples), low, high,
    n_prompts, distinct, source (clusters or texts).
    """
    blocks = [block for data in datasets for block in _dataset(data)]
    if strategies.height:
        blocks += [markup.heading("Distinct strategies"), _strategies(strategies)]
    return markup.section("Mechanism: what the data does to the policy", markup.listing(notes, "note"), *blocks)


def _dataset(data: Mechanism) -> list[str]:
    blocks = [markup.heading(data.label)]
    if data.by_rank.height:
        blocks.append(_by_rank(data.by_rank))
    if data.groups["n"].sum():
        blocks += [_groups(data.groups), _recipes(data.recipes), _dropped(data.dropped)]
    if data.uplift.height:
        blocks.append(_uplift(data.uplift))
    return [*blocks, markup.listing(data.notes, "note")]


def _by_rank(rows: pl.DataFrame) -> str:
    chart = charts.lines(
        merge_alike(rows),
        x="likelihood rank in the group (1 = what the policy was likeliest to say)",
        y="mean advantage of correct samples",
        x_kind="O",
        zero=True,
    )
    caption = (
        "Mean advantage of the kept correct samples by likelihood rank (mean log-prob, in their group): compare the lines, "
        "as a recipe that lies above another on the right and below it on the left moves weight to the rare solutions; the "
        "shape they share comes from which groups have correct samples at a rank."
    )
    return markup.figure(charts.svg(chart), caption, *_pivoted(rows))


def _groups(rows: pl.DataFrame) -> str:
    total = pl.col("n").sum().over("name")
    shares = rows.filter(pl.col("n") > 0).with_columns(y=pl.col("n") / total)
    chart = charts.bars(shares, x="share of the groups (one group = the samples of one prompt)", percent=True)
    caption = (
        "Share of the groups that give a training signal under each recipe (trains: some kept advantage is not 0), and "
        "why the others do not."
    )
    columns = ("recipe", "groups", "number", "share")
    listed = shares.select("name", "kind", "n", pl.col("y").map_elements(percent, pl.String)).rows()
    return markup.figure(charts.svg(chart), caption, columns, listed)


def _recipes(rows: pl.DataFrame) -> str:
    columns = ("recipe", "groups that train", "samples kept", "correct with A < 0", "wrong with A > 0", "largest |A|")
    return markup.table(
        columns,
        [
            (
                row["name"],
                part_of(row["signal"], row["groups"]),
                part_of(row["rows_kept"], row["rows"]),
                percent(row["correct_negative"]),
                percent(row["wrong_positive"]),
                row["max_abs_advantage"],
            )
            for row in rows.to_dicts()
        ],
    )


def _dropped(rows: pl.DataFrame) -> str:
    some = rows.filter(pl.col("n") > 0).select("name", "reason", "n").rows()
    return markup.details("samples dropped, by reason", markup.table(("recipe", "reason", "samples"), some))


def _uplift(rows: pl.DataFrame) -> str:
    chart = charts.lines(
        merge_alike(rows),
        x="rank in the group under the initial policy (0 = likeliest)",
        y="share made likelier",
        x_kind="O",
        zero=True,
    )
    caption = (
        "Uplift rate by rank: the share of correct samples whose log-prob is higher under the trained policy than under "
        "the one that sampled them; training that sharpens lifts the left end alone."
    )
    return markup.figure(charts.svg(chart), caption, *_pivoted(rows))


def _strategies(rows: pl.DataFrame) -> str:
    chart = charts.bars(rows, x="effective number of strategies")
    caption = (
        "Effective number of different strategies among the correct samples of a prompt (exp of their entropy), mean over "
        "the prompts that have one, with 95 % intervals over prompts."
    )
    columns = ("dataset", "strategies", "low", "high", "prompts", "different correct solutions", "told apart by")
    shown = rows.select("name", "y", "low", "high", "n_prompts", "distinct", "source").rows()
    return markup.figure(charts.svg(chart), caption, columns, shown)


def outer_thirds(n_R: Sequence[int], sums_R: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the mean at the first and at the last third of the ranks, from the number and sum at each rank.

    A third is rounded down, and one rank at least; null where no sample has such a rank, and at the last third where
    there is but one rank.
    """
    width = max(1, len(n_R) // 3)
    first, last = (_ratio(sum(sums_R[part]), sum(n_R[part])) for part in (slice(width), slice(-width, None)))
    return first, last if len(n_R) > 1 else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def merge_alike(rows: pl.DataFrame) -> pl.DataFrame:
    """Return lines that lie on each other as one line that carries all their names.

    Alike: no y differs by more than 1 % of the range of all y, at the same x; null equals null.
    """
    reach = ALIKE * (rows.select(pl.col("y").max() - pl.col("y").min()).item() or 0.0)
    drawn: list[tuple[list[str], pl.DataFrame]] = []
    for name in rows["name"].unique(maintain_order=True):
        line = rows.filter(pl.col("name") == name)
        same = next((names for names, other in drawn if _is_alike(line, other, reach)), None)
        if same is None:
            drawn.append(([name], line))
        else:
            same.append(name)
    return pl.concat([line.with_columns(name=pl.lit(", ".join(names))) for names, line in drawn])


def _is_alike(one: pl.DataFrame, other: pl.DataFrame, reach: float) -> bool:
    if not one["x"].equals(other["x"]) or not one["y"].is_null().equals(other["y"].is_null()):
        return False
    furthest: Any = (one["y"] - other["y"]).abs().max()
    return furthest is None or furthest <= reach


def _pivoted(rows: pl.DataFrame) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return heads and rows of a table with one row an x and one column a line."""
    names = rows["name"].unique(maintain_order=True).to_list()
    places: dict[str, dict[str, Any]] = {}
    for name, x, y in rows.select("name", "x", "y").iter_rows():
        places.setdefault(x, {})[name] = y
    return ["rank", *names], [(x, *(place.get(name) for name in names)) for x, place in places.items()]


def part_of(n: int, total: int) -> str:
    """Return ``17 of 24 (70.8%)``; without the share where the whole is 0."""
    return f"{n:,} of {total:,}" + (f" ({percent(n / total)})" if total else "")


def percent(share: float | None) -> str:
    """Return a share as ``12.3%``; ``-`` for null."""
    return "-" if share is None else f"{share:.1%}"
