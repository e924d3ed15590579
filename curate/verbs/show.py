"""``curate show``: one group, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    import duckdb

    from curate.dataset import Dataset

_COLUMNS = {
    "verdicts": ("outcome", "reward", "extracted"),
    "likelihoods": ("mean_logprob", "likelihood_rank"),
    "feedback": ("first_error_step", "n_steps", "rts", "error"),
    "advantages": ("shaped", "advantage", "drop_reason"),
}


def show(
    dataset: DatasetDir,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="group_id, or a prompt_id.", show_default=False)],
    json: Json = False,
) -> None:
    """Show one group: its prompt, its completions, and what every variant says of them."""
    from curate.console import clean, print_json, print_table
    from curate.dataset import Dataset
    from curate.query import connect

    data = Dataset(dataset)
    connection = connect(data)
    group_id = _group_id(connection, data, group)
    samples = _records(connection, "SELECT * FROM samples WHERE group_id = ? ORDER BY sample_index", [group_id])
    prompts = _records(connection, "SELECT * FROM prompts WHERE prompt_id = ?", [samples[0]["prompt_id"]])
    prompt: dict[str, Any] = prompts[0] if prompts else {"prompt": None, "answer": None, "reference": None}
    variants = {str(ref): _variant_rows(connection, ref.table, ref.variant, group_id) for ref in _annotated(data)}
    if json:
        print_json(_jsonable({"group_id": group_id, "prompt": prompt, "samples": samples, "variants": variants}))
        return
    print(f"group {group_id}\n\n{clean(prompt['prompt'] or '(only token ids)')}\n")
    print(f"answer: {clean(str(prompt['answer']))}\n")
    for row in samples:
        policy = f", policy {row['policy']}" if row["policy"] else ""
        print(f"--- sample {row['sample_index']}{policy}\n{clean(row['completion'] or '(only token ids)')}\n")
    for name, rows in variants.items():
        if rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows], title=name)


def _annotated(data: Dataset) -> list[Any]:
    return [ref for ref in data.refs() if ref.table in _COLUMNS]


def _group_id(connection: duckdb.DuckDBPyConnection, data: Dataset, group: str) -> int:
    from curate.errors import ConfigError

    number = int(group) if group.removeprefix("-").isdecimal() and len(group) <= 20 else None
    found = connection.execute(
        "SELECT DISTINCT group_id FROM samples WHERE group_id::VARCHAR = ? OR prompt_id = ? LIMIT 2",
        [str(number), group],
    ).fetchall()
    if not found:
        raise ConfigError(
            f"{data.root} has no group {group!r}: list some with `curate sql {data.root} "
            '"SELECT DISTINCT group_id, prompt_id FROM samples LIMIT 10"`'
        )
    if len(found) > 1:
        raise ConfigError(f"prompt {group!r} has several groups ({found[0][0]}, {found[1][0]}, ...): give a group_id")
    return int(found[0][0])


def _variant_rows(
    connection: duckdb.DuckDBPyConnection, table: str, variant: str | None, group_id: int
) -> list[dict[str, Any]]:
    from curate.dataset import VARIANT_KEYS

    columns = ", ".join(("sample_index", *_COLUMNS[table]))
    query = f"SELECT {columns} FROM {table} WHERE group_id = ? AND {VARIANT_KEYS[table]} = ? ORDER BY sample_index"
    return _records(connection, query, [group_id, variant])


def _records(connection: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[dict[str, Any]]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _jsonable(value: Any) -> Any:
    """Return ``value`` with every group_id a string, as readers of JSON round 64-bit numbers."""
    if isinstance(value, dict):
        return {k: str(v) if k == "group_id" else _jsonable(v) for k, v in value.items()}
    return [_jsonable(v) for v in value] if isinstance(value, list) else value
