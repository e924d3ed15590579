"""docs/methods.md: every published method has its row, and what a row names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curate import docs, pairing
from curate.reweighting import names

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "methods.md"
METHODS = docs.methods()
SYSTEMS = [
    "2507.02834",
    "2506.16141",
    "2506.02553",
    "2506.01347",
    "2505.24718",
    "2505.23247",
    "2504.11343",
    "2410.01679",
    "2404.12358",
    "2402.08714",
    "2204.06340",
    "2504.14286",
    "2503.21819",
    "2405.00451",
    "2404.16767",
    "2404.14367",
    "2310.11971",
    "2305.18290",
]


def test_the_page_and_the_readme_are_made_of_the_table() -> None:
    for path in (PAGE, ROOT / "README.md"):
        text = path.read_text(encoding="utf-8")
        assert "begin -->" in text
        assert docs.inserted(text) == text, "run: python -m curate.docs README.md docs/methods.md"


def test_each_of_the_18_systems_has_a_row() -> None:
    assert [method["source"].removeprefix("arXiv ").split(";")[0] for method in METHODS] == SYSTEMS
    assert all(method["name"] in PAGE.read_text(encoding="utf-8") for method in METHODS)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["name"])
def test_what_a_row_names_exists(method: dict[str, list[str]]) -> None:
    assert method["recipes"] or method["pairs"]
    assert set(method["recipes"]) <= set(names())
    assert set(method["pairs"]) <= set(pairing.names())
    assert method["tests"]
    for test in method["tests"]:
        path, _, function = test.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), test


def test_a_row_fills_one_line_of_the_table() -> None:
    rows = [line for line in docs.method_table().splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 18
    assert all(row.count("|") == 6 for row in rows)
