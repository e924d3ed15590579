"""Pieces of HTML. Every text that comes from data passes through ``escape`` here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from curate import console

_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*(e[-+]?[0-9]+)?%?|-|")
# Controls, lone surrogates, non-characters, and the marks that turn the direction of the text after them.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def visible(text: object) -> str:
    """Return the text with control and direction-changing characters shown as their escapes; newlines and tabs stay."""
    return _HIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", str(text))


def escape(text: object) -> str:
    """Return the text as it may stand in HTML, in an element or in a quoted attribute."""
    return html.escape(visible(text), quote=True)


def cell(value: object) -> str:
    """Return a value as it stands in tables on the terminal too, escaped."""
    return escape(console.cell(value))


def paragraph(text: str, kind: str = "") -> str:
    """Return one paragraph of text, with a class where ``kind`` is given."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def listing(texts: Iterable[str], kind: str = "") -> str:
    """Return a list of texts; nothing for none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul class="{escape(kind)}">{items}</ul>' if items else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; columns of numbers and shares are right-aligned."""
    cells = [[cell(value) for value in row] for row in rows]
    is_number = [all(_NUMBER.fullmatch(row[place]) for row in cells) for place in range(len(columns))]
    head = _row("th", [cell(name) for name in columns], is_number)
    body = "".join(_row("td", row, is_number) for row in cells)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _row(tag: str, cells: Sequence[str], is_number: Sequence[bool]) -> str:
    tagged = [
        f'<{tag} class="number">{text}</{tag}>' if right else f"<{tag}>{text}</{tag}>"
        for text, right in zip(cells, is_number, strict=True)
    ]
    return f"<tr>{''.join(tagged)}</tr>"


def details(summary: str, content: str) -> str:
    """Return a block that opens on a click; ``content`` is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def figure(svg: str, caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a chart with its caption and, under it, the numbers it was drawn from."""
    numbers = details("numbers", table(columns, rows))
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return f"<figure>{named}<figcaption>{escape(caption)}</figcaption>{numbers}</figure>"


def section(title: str, *blocks: str) -> str:
    """Return one section of the page; ``blocks`` are HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(blocks)}</section>"


def heading(text: str) -> str:
    return f"<h3>{escape(text)}</h3>"
