"""``curate recipes``: the catalogue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from curate.verbs.options import Json

KINDS = {
    "gate": "gates: which groups and samples train; any number before any recipe (--gate)",
    "shaping": "shapings: what the reward becomes, in order (--shape, with --estimator)",
    "estimator": "estimators: the advantage of the shaped reward (--estimator)",
    "weighting": "weightings: what a group weighs among all of the dataset; one on top of any recipe (--weighting)",
}


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One recipe or piece; without it all are listed.")
    ] = None,
    json: Json = False,
) -> None:
    """List the recipes and their pieces, or explain one: formula, paper, parameters, columns, what survives, pitfalls."""
    from curate.console import print_json

    if name is None:
        found = _catalogue()
        print_json(found) if json else _print_catalogue(found)
        return
    described = _described(name)
    if json:
        print_json(described[0] if len(described) == 1 else described)
        return
    for each in described:
        _print_one(each)


def _catalogue() -> dict[str, list[dict[str, Any]]]:
    from curate import pairing
    from curate.reweighting import describe, describe_piece, names
    from curate.verbs import pair_recipes

    pieces = {kind: [describe_piece(kind, name) for name in names(kind)] for kind in KINDS}  # type: ignore[arg-type]
    found = [describe(name) for name in names()]
    return {"recipe": sorted(found, key=lambda recipe: (recipe["family"], recipe["name"])), **pieces} | {
        "pairs": [pair_recipes.describe(name) for name in pairing.names()]
    }


def _described(name: str) -> list[dict[str, Any]]:
    """Describe the recipe of that name, or else every piece that has it, and the recipe of pairs."""
    from curate import pairing
    from curate.errors import ConfigError, did_you_mean
    from curate.reweighting import describe, describe_piece, names
    from curate.verbs import pair_recipes

    found = [describe(name)] if name in names() else []
    found = found or [describe_piece(kind, name) for kind in KINDS if name in names(kind)]  # type: ignore[arg-type]
    found += [pair_recipes.describe(name)] if name in pairing.names() else []
    if not found:
        known = [*names(), *(piece for kind in KINDS for piece in names(kind)), *pairing.names()]  # type: ignore[arg-type]
        raise ConfigError(f"no recipe {name!r}{did_you_mean(name, known)}; known: {', '.join(names())}")
    return found


def _print_catalogue(found: dict[str, list[dict[str, Any]]]) -> None:
    from curate.console import print_table

    rows, family = [], None
    for each in found["recipe"]:
        new = each["family"] if each["family"] != family else ""
        family = each["family"]
        rows.append([new, each["name"], each["doc"].splitlines()[0], ", ".join(each["needed_columns"])])
    print_table(("family", "recipe", "what it does", "columns it reads"), rows)
    for kind, title in KINDS.items():
        print_table((kind, "what it does"), [[p["name"], p["doc"].splitlines()[0]] for p in found[kind]], title=title)
    rows = [[p["name"], p["doc"].splitlines()[0], ", ".join(p["needed_columns"])] for p in found["pairs"]]
    print_table(("pairs", "what it does", "columns it reads"), rows, title="recipes of pairs (`curate pairs`)")


def _print_one(described: dict[str, Any]) -> None:
    from curate.console import print_table

    paragraphs = [text for text in described["doc"].split("\n\n") if not text.startswith("Pitfalls:")]
    print(f"{described['name']} ({described['kind']})\n\n" + "\n\n".join(paragraphs) + "\n")
    if described["pitfalls"]:
        print(f"Known pitfalls: {described['pitfalls']}\n")
    if described["kind"] == "recipe":
        _print_recipe(described)
    elif described["kind"] == "pairs":
        print(f"Source: {'; '.join(described['source'])}\nColumns it reads: {', '.join(described['needed_columns'])}\n")
    rows = [
        [p["name"], p["type"], "required" if p["required"] else _shown(p["default"])] for p in described["parameters"]
    ]
    print_table(("parameter", "values", "default"), rows)


def _print_recipe(described: dict[str, Any]) -> None:
    from curate.console import print_table
    from curate.reweighting import survives

    print(f"Source: {'; '.join(described['source'])}\nRewards it is defined for: {described['rewards']}")
    print(f"Columns it reads: {', '.join(described['needed_columns'])}")
    if described["reads_dataset"]:
        print("It reads the whole dataset: a part that is added or changed makes all others stale.")
    made = described["composition"]
    pieces = [("gate", made["gate"]), ("shape", made["shape"]), ("estimator", [made["estimator"]])]
    pieces += [("weighting", [made["weighting"]])] if "weighting" in made else []
    print(f"Pieces: {'; '.join(_pieces(kind, each) for kind, each in pieces if each)}\n")
    example = ", ".join(f"{key} {_shown(value)}" for key, value in described["example"].items())
    title = "what survives in groups of four" + (f", {example}" if example else "")
    print_table(
        ("group", "A of its samples"),
        [[n.replace("_", "-"), survives(v)] for n, v in described["survival"].items()],
        title=title,
    )


def _pieces(kind: str, pieces: list[dict[str, Any]]) -> str:
    shown = []
    for piece in pieces:
        values = ", ".join(f"{key}={_shown(value)}" for key, value in piece.items() if key != "name")
        shown.append(f"{piece['name']}({values})" if values else piece["name"])
    return f"{kind} {', '.join(shown)}"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "unset" if default is None else str(default)
