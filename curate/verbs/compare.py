"""``curate compare``: every variant of advantages side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    from curate.dataset import Dataset


def compare(dataset: DatasetDir, json: Json = False) -> None:
    """Show what every recipe made of the same samples, side by side."""
    from curate.console import print_json, print_table
    from curate.dataset import Dataset

    columns = side_by_side(Dataset(dataset))
    if json:
        print_json(columns)
        return
    figures = list(dict.fromkeys(figure for column in columns.values() for figure in column))
    rows = [[figure, *(column.get(figure) for column in columns.values())] for figure in figures]
    print_table(["figure", *columns], rows, title=str(dataset))


def side_by_side(data: Dataset) -> dict[str, dict[str, Any]]:
    """Return the diagnostics of every variant that has them, by variant and figure."""
    from curate.errors import ConfigError
    from curate.verbs.reweight import lines, stored_figures

    variants = data.variants("advantages")
    if not variants:
        raise ConfigError(f"{data.root} has no advantages: run `{data.maker('advantages')}`")
    found = {variant: stored_figures(data, data.choose("advantages", variant)) for variant in variants}
    return {variant: dict(lines(figures)) for variant, figures in found.items() if figures}
