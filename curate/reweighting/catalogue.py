"""Describe the recipes and pieces of the catalogue."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from curate.reweighting.parameters import type_name
from curate.reweighting.recipe import needed_columns
from curate.reweighting.registry import Kind, entry
from curate.reweighting.specimen import survival

PITFALLS = "Pitfalls:"


def describe(name: str) -> dict[str, Any]:
    """Describe one recipe for the catalogue, JSON-able.

    Gives name, family, doc, pitfalls (the docstring's section, null where it has none) and parameters: each with name,
    type, required and default; rewards, source, needed_columns, composition and survival with the example's parameters,
    ``example``.
    """
    row = entry("recipe", name)
    made = row.make(**row.example)
    return {
        **describe_piece("recipe", name),
        "rewards": made.rewards,
        "source": list(row.source),
        "needed_columns": list(needed_columns(made)),
        "reads_dataset": made.reads_dataset,
        "composition": made.composition,
        "survival": survival(made),
        "example": dict(row.example),
    }


def describe_piece(kind: Kind, name: str) -> dict[str, Any]:
    """Describe a gate, shaping, estimator or weighting: kind, name, family, doc, pitfalls and parameters."""
    row = entry(kind, name)
    signature = inspect.signature(row.make)
    hints = get_type_hints(inspect.unwrap(row.make))
    doc = inspect.getdoc(row.make) or ""
    return {
        "kind": kind,
        "name": name,
        "family": row.family,
        "doc": doc,
        "pitfalls": _pitfalls(doc),
        "parameters": [
            {
                "name": parameter.name,
                "type": type_name(hints[parameter.name]),
                "required": parameter.default is parameter.empty,
                "default": None if parameter.default is parameter.empty else parameter.default,
            }
            for parameter in signature.parameters.values()
        ],
    }


def _pitfalls(doc: str) -> str | None:
    sections = [text for text in doc.split("\n\n") if text.startswith(PITFALLS)]
    return sections[0].removeprefix(PITFALLS).strip() if sections else None
