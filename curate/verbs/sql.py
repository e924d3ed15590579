"""``curate sql``: one query, a shell, or a DuckDB file of views."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    import duckdb

    from curate.dataset import Dataset


def sql(
    dataset: DatasetDir,
    query: Annotated[
        str | None, typer.Argument(metavar="[SELECT]", help="One query; without it a shell opens.")
    ] = None,
    db: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a DuckDB file that holds the views.")] = None,
    json: Json = False,
) -> None:
    """Query the tables of a dataset with DuckDB; every table is a view, a variant's name a column of it."""
    import shlex

    from curate.console import say
    from curate.dataset import Dataset
    from curate.query import connect, run_query, write_database

    data = Dataset(dataset)
    if db is not None:
        write_database(data, db)
        say(f"wrote {db}: open it with `duckdb {shlex.quote(str(db))}`")
        if query is None:
            return
    connection = connect(data)
    if query is None:
        _shell(connection, data)
    else:
        _print(run_query(connection, data, query), json)


def _print(result: duckdb.DuckDBPyRelation | None, json: bool) -> None:
    import shutil

    if result is None:
        return
    if json:
        _print_json(result)
    else:
        width = shutil.get_terminal_size((160, 40)).columns
        result.show(max_width=width if sys.stdout.isatty() else 1000, max_rows=100)  # control characters come escaped


def _print_json(result: duckdb.DuckDBPyRelation) -> None:
    """Print one JSON object a line."""
    from curate.console import print_json_lines

    names = result.columns
    if any("TIME ZONE" in str(kind) for kind in result.types):  # Python's values of it would need pytz
        result = result.project(", ".join(map(_zone_as_text, names, result.types)))
    print_json_lines(dict(zip(names, row, strict=True)) for row in result.iter_rows())


def _zone_as_text(name: str, kind: object) -> str:
    column = '"' + name.replace('"', '""') + '"'
    return f"{column}::VARCHAR AS {column}" if "TIME ZONE" in str(kind) else column


def _shell(connection: duckdb.DuckDBPyConnection, data: Dataset) -> None:
    """Read queries that end with ``;`` until end of input or ``.quit``; errors do not end the shell."""
    import contextlib

    from curate.console import say
    from curate.errors import ConfigError
    from curate.query import run_query, tables

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (line editing and history for input())
    say(f"Tables: {', '.join(tables(data))}. End a query with ';'. Leave with .quit or Ctrl-D.")
    lines: list[str] = []
    while True:
        try:
            line = input("... > " if lines else "curate> ")
        except EOFError:
            break
        if not lines and line.strip() in (".quit", ".exit", "quit", "exit"):
            break
        lines.append(line)
        if line.rstrip().endswith(";"):
            try:
                _print(run_query(connection, data, "\n".join(lines)), json=False)
            except ConfigError as error:
                say(error)
            lines = []
