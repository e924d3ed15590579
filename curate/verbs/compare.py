"""``curate compare``: every variant of advantages side by side, and how far judges agree on strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    from curate.dataset import Dataset


def compare(dataset: DatasetDir, json: Json = False) -> None:
    """Show what every recipe made of the same samples, side by side, and how far judges agree on strategies."""
    from curate.console import print_json, print_table, say
    from curate.dataset import Dataset
    from curate.reweighting import summarize
    from curate.verbs.compare_strategies import compare_strategies, print_strategies

    data = Dataset(dataset)
    compared = compare_strategies(data)
    variants = {} if compared and not data.variants("advantages") else statistics(data)
    for state in data.status():
        if state["table"].startswith("advantages/") and (state["stale"] or state["pending"] or state["waiting"]):
            say(
                f"{state['table']} is not current: {state['stale']} part(s) stale, {state['pending'] + state['waiting']} missing"
            )
    if json:
        strategies = {each.title: each.as_json() for each in compared}
        print_json({name: summarize(each) for name, each in variants.items()} | strategies)
        return
    rows = [[name, *_row(each)] for name, each in variants.items()]
    heads = (
        "recipe",
        "groups kept",
        "with signal",
        "samples kept",
        "correct A<0",
        "wrong A>0",
        "A likeliest",
        "A rarest",
        "max |A|",
    )
    if rows:
        print_table(
            heads, rows, title=f"{dataset}: A likeliest / rarest is the mean over correct samples, by quarter of rank"
        )
    print_strategies(compared)


def statistics(data: Dataset) -> dict[str, dict[str, Any]]:
    """Return the diagnostics of every variant that has them."""
    from curate.errors import ConfigError
    from curate.verbs.figures import stored_statistics

    names = data.variants("advantages")
    found = {name: stored_statistics(data, data.choose("advantages", name)) for name in names}
    kept = {name: each for name, each in found.items() if each}
    if not kept:
        raise ConfigError(f"{data.root} has no advantages made by a recipe: run `{data.maker('advantages')}`")
    return kept


def _row(each: dict[str, Any]) -> list[Any]:
    from curate.reweighting import summarize
    from curate.verbs.figures import mean_by_rank, number, share

    figures = summarize(each)
    quarters = mean_by_rank(each["advantage_by_rank"], n_bins=4)
    return [
        f"{figures['groups_kept']:,} of {figures['groups']:,}",
        share(figures["share_groups_with_signal"]),
        figures["rows_kept"],
        share(figures["share_correct_negative"]),
        share(figures["share_wrong_positive"]),
        number(quarters[0][1]) if quarters else None,
        number(quarters[-1][1]) if quarters else None,
        number(figures["max_abs_advantage"]),
    ]
