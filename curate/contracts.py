"""Data contracts: ``schemas/<table>.sql`` run in an in-memory DuckDB, turned into rules and an Arrow schema.

A contract's CHECKs are counted in one scan (``count(*) FILTER (NOT ...)``) instead of by INSERT, which is ten times
slower and stops at the first bad row. Its ``violation_of_*`` views hold the rules over a group or a key: each row of
such a view is one violation, its columns the key. DuckDB drops the names of CHECKs, so a rule is called by its
expression.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from curate.errors import ConfigError, ContractError

TABLES = ("prompts", "samples", "verdicts", "likelihoods", "feedback", "branches", "advantages", "pairs", "train")
VIEW_PREFIX = "violation_of_"
_ARROW_TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "BOOLEAN": pa.bool_(),
    # 32-bit offsets end at 2 GB a column chunk, which one part of long completions passes
    "VARCHAR": pa.large_string(),
    "MAP(VARCHAR, DOUBLE)": pa.map_(pa.string(), pa.float64()),
}


@dataclass(frozen=True)
class Column:
    """One column of a contract; ``is_measured`` marks values that may differ between identical runs."""

    name: str
    type: str
    is_nullable: bool
    comment: str

    @property
    def is_measured(self) -> bool:
        return self.comment.endswith("; measured")


@dataclass(frozen=True)
class Violation:
    """One broken rule: how many rows (or groups) break it, and the key of the first."""

    rule: str
    count: int
    first_key: dict[str, object]

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value}" for name, value in self.first_key.items())
        return f"{self.rule}: {self.count:,} broken" + (f", first at {key}" if key else "")


@dataclass(frozen=True)
class Contract:
    """What one table must look like: columns, CHECK expressions, views over groups and keys."""

    table: str
    comment: str
    columns: tuple[Column, ...]
    checks: tuple[str, ...]
    views: tuple[tuple[str, str], ...]
    sql: str

    @cached_property
    def hash(self) -> str:
        """16 hex digits of BLAKE2b over the SQL text: parts carry it, and are checked again when it differs."""
        return hashlib.blake2b(self.sql.encode(), digest_size=8).hexdigest()

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with nullability and comments."""
        fields = [pa.field(c.name, arrow_type(c.type), c.is_nullable, {"comment": c.comment}) for c in self.columns]
        return pa.schema(fields)

    @cached_property
    def loose_schema(self) -> pa.Schema:
        """The Arrow schema in which every column may be null, as rows are before they are checked."""
        return pa.schema([pa.field(f.name, f.type) for f in self.schema])

    def rows(self, columns: dict[str, Any]) -> pa.Table:
        """Return an unchecked table of these columns; a column left out is null in every row."""
        n_rows = len(next(iter(columns.values())))
        filled = {f.name: columns.get(f.name, pa.nulls(n_rows, f.type)) for f in self.schema}
        return pa.table(filled, schema=self.loose_schema)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row in messages."""
        marked = tuple(c.name for c in self.columns if c.comment.startswith("key: "))
        return marked or ("group_id", "sample_index")


def arrow_type(sql_type: str) -> pa.DataType:
    """Return the Arrow type of a DuckDB type name; ``X[]`` is a list of X."""
    if sql_type.endswith("[]"):
        return pa.large_list(arrow_type(sql_type[:-2]))
    return _ARROW_TYPES[sql_type]


def schema_folder() -> Path:
    """Return the folder of the SQL files: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / "schemas"
    return inside if inside.is_dir() else package.parent / "schemas"


@cache
def contract(table: str) -> Contract:
    """Read the contract of ``table``. Raises ConfigError for a table that has none."""
    if table not in TABLES:
        raise ConfigError(f"there is no table {table!r}; the tables are {', '.join(TABLES)}")
    sql = (schema_folder() / f"{table}.sql").read_text(encoding="utf-8")
    connection = duckdb.connect()
    connection.execute(sql)
    columns = connection.execute(
        "SELECT column_name, data_type, is_nullable, coalesce(comment, '') FROM duckdb_columns() "
        "WHERE table_name = ? ORDER BY column_index",
        [table],
    ).fetchall()
    checks = connection.execute(
        "SELECT expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK' ORDER BY constraint_index"
    ).fetchall()
    views = connection.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE starts_with(view_name, ?) ORDER BY view_name",
        [VIEW_PREFIX],
    ).fetchall()
    comment = connection.execute("SELECT comment FROM duckdb_tables()").fetchall()[0][0]
    connection.close()
    return Contract(
        table=table,
        comment=comment,
        columns=tuple(Column(*row) for row in columns),
        checks=tuple(str(row[0]) for row in checks),
        views=tuple((name, _view_body(text)) for name, text in views),
        sql=sql,
    )


def _view_body(create_view: str) -> str:
    return create_view.split(" AS ", 1)[1].rstrip().rstrip(";")


@cache
def _checker() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET enable_external_access = false")
    return connection


def violations(rules: Contract, rows: pa.Table) -> list[Violation]:
    """Count the violations of every rule over ``rows``, which must have the contract's columns."""
    connection = _checker().cursor()
    connection.register("given", rows)
    try:
        # a constant costs DuckDB nothing, a column that is null in every row costs a scan
        columns = ", ".join(f"NULL::{c.type} AS {c.name}" if _is_empty(rows[c.name]) else c.name for c in rules.columns)
        connection.execute(f"CREATE TEMP VIEW {rules.table} AS SELECT {columns} FROM given")
        broken = _broken_conditions(connection, rules)
        for name, body in rules.views:
            count = connection.execute(f"SELECT count(*) FROM ({body})").fetchall()[0][0]
            if count:
                broken.append(Violation(name.removeprefix(VIEW_PREFIX), count, _first(connection, body)))
        return broken
    finally:
        connection.unregister("given")
        connection.close()


def _is_empty(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == len(column))


def _broken_conditions(connection: duckdb.DuckDBPyConnection, rules: Contract) -> list[Violation]:
    """Count NOT NULLs and CHECKs in one scan; a CHECK that is null holds, as in SQL."""
    conditions = [f"{c.name} IS NOT NULL" for c in rules.columns if not c.is_nullable] + list(rules.checks)
    counts = ", ".join(f"count(*) FILTER (NOT ({condition}))" for condition in conditions)
    row = connection.execute(f"SELECT {counts} FROM {rules.table}").fetchall()[0]
    found = []
    for condition, count in zip(conditions, row, strict=True):
        if count:
            query = f"SELECT {', '.join(rules.key)} FROM {rules.table} WHERE NOT ({condition})"
            found.append(Violation(condition, count, _first(connection, query)))
    return found


def _first(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, object]:
    cursor = connection.execute(f"SELECT * FROM ({query}) LIMIT 1")
    names = [column[0] for column in cursor.description or []]
    return dict(zip(names, cursor.fetchall()[0], strict=True))


def conform(rules: Contract, rows: pa.Table, where: str) -> pa.Table:
    """Return ``rows`` with exactly the contract's columns, types and order, checked against every rule.

    Raises ContractError that names ``where`` and lists every broken rule with its count and first key, a missing or
    unknown column, or a column of another type.
    """
    _same_columns(rules, rows, where)
    try:
        rows = rows.select(rules.schema.names).cast(rules.loose_schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise ContractError(f"{where}: a column has the wrong type for table {rules.table}: {error}") from error
    broken = violations(rules, rows)
    if broken:
        listing = "\n".join(f"  {violation}" for violation in broken)
        raise ContractError(f"{where}: {len(broken)} rule(s) of table {rules.table} are broken:\n{listing}")
    return pa.Table.from_arrays(rows.columns, schema=rules.schema)


def _same_columns(rules: Contract, rows: pa.Table, where: str) -> None:
    missing = [name for name in rules.schema.names if name not in rows.column_names]
    unknown = [name for name in rows.column_names if name not in rules.schema.names]
    if missing or unknown:
        parts = [f"missing column(s) {', '.join(missing)}"] if missing else []
        parts += [f"unknown column(s) {', '.join(unknown)}"] if unknown else []
        raise ContractError(f"{where}: {'; '.join(parts)}; table {rules.table} has {', '.join(rules.schema.names)}")
