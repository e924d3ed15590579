"""Tables in the documents that are made from the source: the data dictionary, the recipes, the published methods, the verifiers.

``python -m curate.docs README.md data/README.md docs/methods.md docs/verifiers.md`` writes each between its markers; a test compares them.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from curate.contracts import TABLES, Column, contract
from curate.reweighting import describe, names
from curate.verifying import factory
from curate.verifying import names as verifiers


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


METHODS = Path(__file__).parents[1] / "docs" / "methods.toml"


def methods() -> list[dict[str, Any]]:
    """Return what docs/methods.toml says of each published method, with the lists it leaves out empty."""
    empty: dict[str, Any] = {"recipes": [], "pairs": [], "not_public": None}
    return [empty | method for method in tomllib.loads(METHODS.read_text(encoding="utf-8"))["method"]]


def method_table() -> str:
    """Return the published methods with what works, what differs, and the tests that show it."""
    lines = ["| | method | what works | what differs from the paper | shown by |", "|---|---|---|---|---|"]
    for number, method in enumerate(methods(), 1):
        differs = method["differs"]
        if method["not_public"]:
            differs += f" **Not reproducible from public material**: {method['not_public']}."
        named = f"**{method['name']}**<br>{method['source']}<br>{_made_by(method)}"
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in method["tests"])
        lines.append(f"| {number} | {named} | {method['works']} | {differs} | {tests} |")
    return "\n".join(lines)


def method_names() -> str:
    """Return the published methods with their sources and the recipes that carry them."""
    lines = ["| method | source | recipes | details public |", "|---|---|---|---|"]
    for method in methods():
        public = "not all" if method["not_public"] else "yes"
        lines.append(f"| {method['name']} | {method['source']} | {_made_by(method)} | {public} |")
    return "\n".join(lines)


def _made_by(method: dict[str, Any]) -> str:
    pairs = [f"pairs `{name}`" for name in method["pairs"]]
    return ", ".join([*(f"`{name}`" for name in method["recipes"]), *pairs])


def verifier_table() -> str:
    """Return the verifiers with what they do and their settings."""
    lines = ["| verifier | what it does | settings |", "|---|---|---|"]
    for name in verifiers():
        make = factory(name)
        first = (inspect.getdoc(make) or "").splitlines()[0].replace("``", "`").replace("<", "&lt;").replace("|", "\\|")
        shown = ", ".join(_setting(parameter) for parameter in inspect.signature(make).parameters.values())
        lines.append(f"| `{name}` | {first} | {shown or '-'} |")
    return "\n".join(lines)


def _setting(parameter: inspect.Parameter) -> str:
    is_needed = parameter.default is inspect.Parameter.empty
    if is_needed or parameter.default is None or len(str(parameter.default)) > LONGEST_DEFAULT:
        return f"`{parameter.name}`" + (" (needed)" if is_needed else "")
    return f"`{parameter.name}={parameter.default}`"


LONGEST_DEFAULT = 40

SECTIONS = {
    "dictionary": dictionary,
    "recipes": recipe_table,
    "methods": method_table,
    "method-names": method_names,
    "verifiers": verifier_table,
}


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
