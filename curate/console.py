"""What a person sees: sentences on stderr, results on stdout, no control character of a model's text on either."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

WIDTH_OF_A_PIPE = 140
EXACT_IN_JSON = 2**53


def say(message: object) -> None:
    """Print a sentence for a person to stderr."""
    print(clean(str(message)), file=sys.stderr, flush=True)


def clean(text: str) -> str:
    """Return ``text`` with control and direction-changing characters shown as their escapes; newlines and tabs stay."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def command(*words: object, **options: object) -> str:
    """Return the command line a user can paste: words, then ``--name value`` for every option that is set.

    A trailing ``_`` of a name is dropped; a list repeats its option, true gives the bare flag, null and false nothing.
    """
    line = ["curate", *map(str, words)]
    for name, value in options.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                line.append(flag)
            elif each is not None and each is not False:
                line += [flag, str(each)]
    return shlex.join(line)


def print_json(value: object) -> None:
    """Print one value to stdout as indented JSON; ``jsonable`` says how large numbers come."""
    _write_json([value], indent=True)


def print_json_lines(values: Iterable[object]) -> None:
    """Print each value to stdout as one line of JSON."""
    _write_json(values, indent=False)


def _write_json(values: Iterable[object], *, indent: bool) -> None:
    import orjson

    option = orjson.OPT_INDENT_2 if indent else 0
    sys.stdout.flush()
    for value in values:  # as bytes: JSON is UTF-8 whatever the terminal's encoding
        sys.stdout.buffer.write(orjson.dumps(jsonable(value), default=str, option=option) + b"\n")


def jsonable(value: Any) -> Any:
    """Return ``value`` with text for keys, for every group_id and for integers beyond 2**53, which readers of JSON round."""
    if isinstance(value, dict):
        return {str(k): str(v) if k == "group_id" and isinstance(v, int) else jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    return str(value) if isinstance(value, int) and abs(value) > EXACT_IN_JSON else value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table to stdout; null cells show as ``-``, numbers are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    kept = [list(row) for row in rows]
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    for place, name in enumerate(columns):
        values = [row[place] for row in kept]
        is_number = any(isinstance(v, (int, float)) for v in values)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in kept:
        table.add_row(*(Text(clean(cell(value))) for value in row))
    Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE).print(table)


def dollars(amount: float) -> str:
    """Return an amount of money: cents from one cent on, two significant digits below."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.2g}"


def cell(value: object) -> str:
    """Return a value as a person reads it: null is ``-``, a float has four significant digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
