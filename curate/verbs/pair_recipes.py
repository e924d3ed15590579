"""Recipes of pairs by name: built from values as TOML gives them, and described for the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from curate.pairing import PairRecipe


def build(name: str, parameters: Mapping[str, Any] | None = None) -> PairRecipe:
    """Build a recipe of pairs; raises ConfigError, with what is known, for a wrong name, parameter or value."""
    from curate.errors import ConfigError
    from curate.pairing import entry, names
    from curate.reweighting import names as recipes_of_advantages
    from curate.reweighting.parameters import bind

    if name not in names() and name in recipes_of_advantages():
        raise ConfigError(
            f"{name} is a recipe of advantages: use `curate reweight`; recipes of pairs: {', '.join(names())}"
        )
    make = entry(name).make
    return make(**bind(name, inspect.signature(make), get_type_hints(inspect.unwrap(make)), (), parameters or {}))


def describe(name: str) -> dict[str, Any]:
    """Describe one recipe of pairs, JSON-able, as ``reweighting.describe`` does one of advantages: kind, name, doc,
    pitfalls, source, needed_columns (with the defaults) and parameters.
    """
    from curate.pairing import entry
    from curate.reweighting.parameters import type_name

    row = entry(name)
    doc = inspect.getdoc(row.make) or ""
    hints = get_type_hints(inspect.unwrap(row.make))
    parameters = inspect.signature(row.make).parameters.values()
    return {
        "kind": "pairs",
        "name": name,
        "doc": doc,
        "pitfalls": next(
            (t.removeprefix("Pitfalls:").strip() for t in doc.split("\n\n") if t.startswith("Pitfalls:")), None
        ),
        "source": list(row.source),
        "needed_columns": list(build(name).reads),
        "parameters": [
            {"name": p.name, "type": type_name(hints[p.name]), "required": False, "default": p.default}
            for p in parameters
        ],
    }
