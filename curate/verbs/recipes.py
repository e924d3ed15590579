"""``curate recipes``: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.verbs.options import Json


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One recipe; without it all are listed.")] = None,
    json: Json = False,
) -> None:
    """List the recipes, or explain one: formula, paper, parameters, needed columns, pitfalls."""
    from curate.console import print_json, print_table
    from curate.reweighting import describe, names

    described = [describe(each) for each in ([name] if name else names())]
    if json:
        print_json(described[0] if name else described)
        return
    if name is None:
        rows = [[d["name"], d["doc"].splitlines()[0], ", ".join(d["needed_columns"])] for d in described]
        print_table(("recipe", "what it does", "columns it reads"), rows)
        return
    recipe = described[0]
    print(f"{recipe['name']}\n\n{recipe['doc']}\n")
    print(f"Source: {'; '.join(recipe['source'])}\nRewards it is defined for: {recipe['rewards']}")
    print(f"Columns it reads: {', '.join(recipe['needed_columns'])}\n")
    rows = [[p["name"], p["type"], "required" if p["required"] else _shown(p["default"])] for p in recipe["parameters"]]
    print_table(("parameter", "values", "default"), rows)


def _shown(default: object) -> str:
    return "unset" if default is None else str(default)
