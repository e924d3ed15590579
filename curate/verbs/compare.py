"""``curate compare``: every variant of advantages side by side, and how far judges agree on strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    from curate.dataset import Dataset


HEADS = (
    "recipe",
    "groups kept",
    "with signal",
    "samples",
    "|A|w of correct",
    "of wrong",
    "effective",
    "correct A<0",
    "wrong A>0",
    "max |A|",
)


def compare(dataset: DatasetDir, json: Json = False) -> None:
    """Show what every recipe made of the same samples, side by side, and how far judges agree on strategies."""
    from curate.console import print_json, say
    from curate.dataset import Dataset
    from curate.reweighting import summarize
    from curate.verbs.compare_advantages import correlate, print_correlations
    from curate.verbs.compare_strategies import compare_strategies, print_strategies

    data = Dataset(dataset)
    compared = compare_strategies(data)
    variants = {} if compared and not data.variants("advantages") else statistics(data)
    for state in data.status():
        if state["table"].startswith("advantages/") and (state["stale"] or state["pending"] or state["waiting"]):
            say(
                f"{state['table']} is not current: {state['stale']} part(s) stale, {state['pending'] + state['waiting']} missing"
            )
    together = correlate(data, list(variants)) if variants else None
    if json:
        recipes = {
            name: summarize(each) | {"correlation": together.of(name) if together else {}}
            for name, each in variants.items()
        }
        print_json(recipes | {each.title: each.as_json() for each in compared})
        return
    if together:
        _print_recipes(str(dataset), variants, data.maker("likelihoods"))
        print_correlations(together)
    print_strategies(compared)


def _print_recipes(dataset: str, variants: dict[str, dict[str, Any]], maker: str) -> None:
    from curate.console import print_table, say

    title = f"{dataset}: |A|w is the sum over samples, effective how many equal ones would be as noisy"
    print_table(HEADS, [[name, *_row(each)] for name, each in variants.items()], title=title)
    ranked = [[name, *_by_rank(each)] for name, each in variants.items()]
    if all(set(row[1:]) == {"-"} for row in ranked):
        say(f"mean advantage by likelihood rank is not known: no recipe was given likelihoods (`{maker}` makes them)")
        return
    heads = ("recipe", "likeliest quarter", "second", "third", "rarest")
    print_table(heads, ranked, title="mean advantage of the correct samples, by quarter of likelihood rank")


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
    from curate.verbs.figures import number, share

    figures = summarize(each)
    return [
        f"{figures['groups_kept']:,} of {figures['groups']:,}",
        share(figures["share_groups_with_signal"]),
        figures["rows_kept"],
        *(_rounded(figures[key]) for key in ("mass_correct", "mass_wrong", "effective_samples")),
        share(figures["share_correct_negative"]),
        share(figures["share_wrong_positive"]),
        number(figures["max_abs_advantage"]),
    ]


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _by_rank(each: dict[str, Any]) -> list[str]:
    from curate.verbs.figures import mean_by_rank, number

    quarters = [number(mean) for _, mean in mean_by_rank(each["advantage_by_rank"], n_bins=4)]
    # With fewer than four ranks the last one stands under "rarest", and what lies between is unknown.
    return [*quarters[:-1], *["-"] * (4 - len(quarters)), *quarters[-1:]] if quarters else ["-"] * 4
