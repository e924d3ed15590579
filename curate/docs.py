"""Tables in the documents that are made from the source: the data dictionary and the list of recipes.

``python -m curate.docs README.md data/README.md`` writes each between its markers; a test compares them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from curate.contracts import TABLES, Column, contract
from curate.reweighting import describe, names


def dictionary() -> str:
    """Return every table with its columns, types, nullability and comments."""
    return "\n\n".join(_table(table) for table in TABLES)


def _table(table: str) -> str:
    rules = contract(table)
    head = [f"### {table}", "", rules.comment, "", "| column | type | null | meaning |", "|---|---|---|---|"]
    return "\n".join(head + [_row(column) for column in rules.columns])


def _row(column: Column) -> str:
    meaning = column.comment.replace("|", "\\|")
    return f"| {column.name} | {column.type} | {'yes' if column.is_nullable else 'no'} | {meaning} |"


def recipe_table() -> str:
    """Return the recipes with what they do, the columns they read beside the reward, and their source."""
    lines = ["| recipe | what it does | reads | source |", "|---|---|---|---|"]
    for recipe in (describe(name) for name in names()):
        first = recipe["doc"].splitlines()[0]
        read = ", ".join(recipe["needed_columns"])
        lines.append(f"| `{recipe['name']}` | {first} | {read} | {'; '.join(recipe['source'])} |")
    return "\n".join(lines)


SECTIONS = {"dictionary": dictionary, "recipes": recipe_table}


def inserted(text: str) -> str:
    """Return ``text`` with every generated section between its markers."""
    for name, make in SECTIONS.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin in text:
            section = f"{begin}\n\n{make()}\n\n{end}"
            text = re.sub(f"{begin}.*?{end}", lambda _, made=section: made, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        document = Path(argument)
        document.write_text(inserted(document.read_text(encoding="utf-8")), encoding="utf-8")
