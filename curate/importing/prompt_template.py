"""Prompts that are made of several columns: a text with ``{COLUMN}`` in it, in place of the name of one column."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from curate.errors import ConfigError
from curate.importing.generic import Getter, getter


def fields(text: str) -> list[str]:
    """Return the columns that a template names, in order, each once; empty where the text is the name of a column.

    ``{{`` and ``}}`` stand for braces. Raises ConfigError for braces that hold no name of a column.
    """
    if "{" not in text:
        return []
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"--prompt-column: {error}; write {{{{ and }}}} for braces of the text") from None
    for _, name, form, conversion in parts:
        if name is not None and (not name or form or conversion):
            shown = f"{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
            raise ConfigError(
                f"--prompt-column: {{{shown}}} names no column; write {{{{ and }}}} for braces of the text"
            )
    return list(dict.fromkeys(name for _, name, _, _ in parts if name))


def columns_of(column: str) -> list[str]:
    """Return the columns of a template, or the one column that is named."""
    return fields(column) or [column]


def reader(column: str) -> Getter:
    """Return what reads a column of a row, or fills a template: null where the row lacks one of its columns."""
    if not fields(column):
        return getter(column)
    parts = [(text, name and getter(name)) for text, name, _, _ in Formatter().parse(column)]

    def fill(values: Mapping[str, Any]) -> str | None:
        pieces: list[str] = []
        for text, get in parts:
            value = get(values) if get else ""
            if value is None:
                return None
            pieces += [text, str(value)]
        return "".join(pieces)

    return fill
