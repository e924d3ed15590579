"""SQL over a dataset: every table is a view, a variant's name a column of it.

Works without polars and torch, so that ``curate sql`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

import duckdb

from curate.console import command
from curate.contracts import contract
from curate.dataset import VARIANT_KEYS, Dataset, TableRef
from curate.errors import ConfigError, ContractError

MIXED_POLICY = "SELECT group_id FROM part GROUP BY group_id HAVING count(DISTINCT policy) > 1 OR count(DISTINCT policy_version) > 1"


def quoted(text: str) -> str:
    """Return ``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def view_sql(dataset: Dataset, table: str) -> str:
    """Return the CREATE VIEW statement of one table, with absolute paths."""
    folder = dataset.root.resolve() / table
    key = VARIANT_KEYS.get(table)
    pattern = quoted(escape(str(folder)) + ("/*/*.parquet" if key else "/*.parquet"))
    if not any(folder.glob("*/*.parquet" if key else "*.parquet")):
        columns = [f"NULL::{c.type} AS {c.name}" for c in contract(table).columns]
        columns += [f"NULL::VARCHAR AS {key}"] if key else []
        return f"CREATE VIEW {table} AS SELECT {', '.join(columns)} WHERE false"
    hive = f", hive_partitioning = true, hive_types = {{'{key}': VARCHAR}}" if key else ", hive_partitioning = false"
    return f"CREATE VIEW {table} AS SELECT * FROM read_parquet({pattern}{hive})"


def connect(dataset: Dataset, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with a view for every table that the dataset has.

    Raises ContractError where a part of one cannot be read.
    """
    connection = duckdb.connect(database)
    try:
        for table in tables(dataset):
            with readable(dataset, table):
                connection.execute(view_sql(dataset, table))
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def readable(dataset: Dataset, table: str) -> Iterator[None]:
    """Raise ContractError, with the next command, where DuckDB cannot read a table."""
    try:
        yield
    except duckdb.Error as error:
        check = command("check", dataset.root)
        raise ContractError(
            f"{table} cannot be read: {str(error).splitlines()[0]}. `{check}` names every broken part."
        ) from error


def records(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, table: str, query: str, values: list[Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of one query of ours over ``table``; raises ContractError where a part cannot be read."""
    with readable(dataset, table):
        cursor = connection.execute(query, values)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tables(dataset: Dataset) -> list[str]:
    """Return the tables that have a folder, in pipeline order."""
    return list(dict.fromkeys(ref.table for ref in dataset.refs()))


def write_database(dataset: Dataset, path: Path) -> None:
    """Write a DuckDB file that holds the views, or none; raises ConfigError where it exists or cannot be written."""
    if path.exists():
        raise ConfigError(f"{path} exists already: give another --db path, or delete it")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is not a folder: make it, or give another --db path")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        connect(dataset, str(unfinished)).close()
        unfinished.rename(path)
    except duckdb.Error as error:
        raise ConfigError(f"{path} cannot be written: {str(error).splitlines()[0]}: give another --db path") from error
    finally:
        unfinished.unlink(missing_ok=True)


def run_query(connection: duckdb.DuckDBPyConnection, dataset: Dataset, query: str) -> duckdb.DuckDBPyRelation | None:
    """Run one query; raises ConfigError with DuckDB's own words and the tables there are."""
    try:
        result = connection.sql(query)
        return result.materialize() if result is not None else None
    except duckdb.Error as error:
        names = ", ".join(tables(dataset))
        raise ConfigError(f"{error}\nTables of {dataset.root}: {names}") from error


def mixed_policy_groups(dataset: Dataset, samples: TableRef) -> int:
    """Count the groups that several policies sampled: from the footers where they say so, else by reading."""
    from curate.parts import read_footer

    total = 0
    for name in dataset.parts(samples):
        known = read_footer(dataset.part(samples, name)).about.get("mixed_policy_groups")
        if known is None:
            return len(group_violations(dataset, samples, MIXED_POLICY))
        total += known
    return total


def group_violations(dataset: Dataset, ref: TableRef, query: str) -> list[tuple[object, ...]]:
    """Run a rule over all parts of one table, named ``part`` in the query with the column ``filename``."""
    pattern = quoted(escape(str(dataset.folder(ref).resolve())) + "/*.parquet")
    connection = duckdb.connect()
    source = f"WITH part AS (SELECT * FROM read_parquet({pattern}, filename = true, hive_partitioning = false)) "
    try:
        with readable(dataset, str(ref)):
            return connection.execute(source + query).fetchall()
    finally:
        connection.close()
