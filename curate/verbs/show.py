"""``curate show``: one group, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    import duckdb

    from curate.dataset import Dataset, TableRef

_COLUMNS = {
    "verdicts": ("outcome", "reward", "extracted"),
    "likelihoods": ("mean_logprob", "likelihood_rank"),
    "feedback": ("first_error_step", "n_steps", "rts", "cluster", "diversity", "error"),
    "advantages": ("shaped", "advantage", "drop_reason"),
    "pairs": ("rejected", "target", "smoothing"),
}
_FIRST = {"pairs": "chosen"}  # the column that rows are sorted by; of all others it is sample_index


def show(
    dataset: DatasetDir,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="group_id, or a prompt_id.", show_default=False)],
    json: Json = False,
) -> None:
    """Show one group: its prompt, its completions, and what every variant says of them; or a prompt without any."""
    from curate.console import clean, print_json, print_table
    from curate.dataset import Dataset
    from curate.query import connect

    data = Dataset(dataset)
    data.choose("prompts")
    connection = connect(data)
    group_id = _group_id(connection, data, group)
    if group_id is None:
        _show_prompt(_rows(connection, data, "prompts", "prompt_id = ?", group)[0], json)
        return
    samples = _rows(connection, data, "samples", "group_id = ? ORDER BY sample_index", group_id)
    prompts = _rows(connection, data, "prompts", "prompt_id = ?", samples[0]["prompt_id"])
    prompt: dict[str, Any] = prompts[0] if prompts else {"prompt": None, "answer": None, "reference": None}
    variants = {str(ref): _variant_rows(connection, data, ref, group_id) for ref in _annotated(data)}
    if json:
        print_json({"group_id": group_id, "prompt": prompt, "samples": samples, "variants": variants})
        return
    print(f"group {group_id}\n\n{clean(str(prompt['prompt'] or '(only token ids)'))}\n")
    print(f"answer: {clean(str(prompt['answer']))}\n")
    for row in samples:
        policy = f", policy {row['policy']}" if row["policy"] else ""
        print(
            f"--- sample {row['sample_index']}{clean(policy)}\n{clean(str(row['completion'] or '(only token ids)'))}\n"
        )
    for name, rows in variants.items():
        if rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows], title=_title(name, rows))


def _title(name: str, rows: list[dict[str, Any]]) -> str:
    """Return the name of a variant, with the group's effective number of strategies where samples have clusters."""
    clusters = [row["cluster"] for row in rows if row.get("cluster") is not None]
    if not clusters:
        return name
    import polars as pl

    from curate.evaluating import effective_by_group

    found = effective_by_group(pl.DataFrame({"group_id": [0] * len(clusters), "cluster": clusters}))
    return f"{name}: {found['effective'][0]:.2f} strategies in effect"


def _show_prompt(prompt: dict[str, Any], json: bool) -> None:
    from curate.console import clean, print_json, say

    if json:
        print_json({"group_id": None, "prompt": prompt, "samples": [], "variants": {}})
        return
    print(f"prompt {clean(prompt['prompt_id'])}\n\n{clean(str(prompt['prompt'] or '(only token ids)'))}\n")
    for name in ("answer", "reference"):
        print(f"{name}: {clean(str(prompt[name]))}\n")
    say("it has no samples yet")


def _annotated(data: Dataset) -> list[TableRef]:
    return [ref for ref in data.refs() if ref.table in _COLUMNS]


def _group_id(connection: duckdb.DuckDBPyConnection, data: Dataset, group: str) -> int | None:
    """Return the group of that id or prompt; null for a prompt that has none yet."""
    from curate.errors import ConfigError
    from curate.query import records, tables

    number = int(group) if group.removeprefix("-").isdecimal() and len(group) <= 20 else None
    query = (
        "SELECT DISTINCT group_id::BIGINT AS group_id FROM samples WHERE group_id::VARCHAR = ? OR prompt_id = ? LIMIT 2"
    )
    has_samples = "samples" in tables(data)
    rows = records(connection, data, "samples", query, [str(number), group]) if has_samples else []
    found = [int(row["group_id"]) for row in rows]
    if len(found) > 1:
        raise ConfigError(f"prompt {group!r} has several groups ({found[0]}, {found[1]}, ...): give a group_id")
    if not found and not _rows(connection, data, "prompts", "prompt_id = ?", group):
        raise ConfigError(_unknown(data, group, has_samples))
    return found[0] if found else None


def _unknown(data: Dataset, group: str, has_samples: bool) -> str:
    from curate.console import command

    if not has_samples:
        some = command("sql", data.root, "SELECT prompt_id, prompt FROM prompts LIMIT 10")
        return f"{data.root} has no samples (run `{data.maker('samples')}`) and no prompt {group!r}: list some with `{some}`"
    some = command("sql", data.root, "SELECT DISTINCT group_id, prompt_id FROM samples LIMIT 10")
    return f"{data.root} has no group {group!r}: list some with `{some}`"


def _rows(
    connection: duckdb.DuckDBPyConnection, data: Dataset, table: str, condition: str, value: object
) -> list[dict[str, Any]]:
    """Return rows with every column of the contract, so that a part that lacks one is named and not met as a KeyError."""
    from curate.contracts import contract
    from curate.query import records

    columns = ", ".join(contract(table).schema.names)
    return records(connection, data, table, f"SELECT {columns} FROM {table} WHERE {condition}", [value])


def _variant_rows(
    connection: duckdb.DuckDBPyConnection, data: Dataset, ref: TableRef, group_id: int
) -> list[dict[str, Any]]:
    from curate.dataset import VARIANT_KEYS
    from curate.query import records

    first = _FIRST.get(ref.table, "sample_index")
    columns = ", ".join((first, *_COLUMNS[ref.table]))
    condition = f"group_id = ? AND {VARIANT_KEYS[ref.table]} = ? ORDER BY {first}"
    query = f"SELECT {columns} FROM {ref.table} WHERE {condition}"
    return records(connection, data, str(ref), query, [group_id, ref.variant])
