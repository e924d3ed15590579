"""The data dictionary: every table and column of the contracts as Markdown.

``python -m curate.dictionary data/README.md`` writes it between the markers of that file; a test compares the two.
"""

from __future__ import annotations

import sys
from pathlib import Path

from curate.contracts import TABLES, Column, contract

BEGIN, END = "<!-- dictionary: begin -->", "<!-- dictionary: end -->"


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


def inserted(text: str) -> str:
    """Return ``text`` with the dictionary between its markers."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{dictionary()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(inserted(target.read_text(encoding="utf-8")), encoding="utf-8")
