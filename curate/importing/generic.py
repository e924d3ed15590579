"""Any JSONL, Parquet or CSV file whose columns the user maps to ours: ``--map prompt=question``.

``COL[]`` takes a list column: one row is then one prompt with its group of samples, all such lists of one length.
Dotted paths reach into nested fields (``reward_model.ground_truth``). Columns that have our names are mapped without
being told; ``--map field=`` leaves one out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from curate.errors import ConfigError
from curate.importing import rows
from curate.importing.convert import BadValueError, key, rollout
from curate.importing.files import JSONL, Source
from curate.importing.record import Record, listed, reject
from curate.importing.rollout import MAPPABLE, Item, Note, Options

NAME = "generic"
FILES = re.compile(r"\.(jsonl|ndjson|parquet|csv)$", re.IGNORECASE)
NUMBERS = ("reward", "advantage", "temperature", "top_p", "seed", "sample_index", "accuracy", "hinted")
LISTS = ("prompt_ids", "completion_ids", "logprobs", "loss_mask")

Getter = Callable[[Mapping[str, Any]], Any]


class Plan(NamedTuple):
    """Which column each of our fields comes from in one file: single values, and lists with one value a sample."""

    single: dict[str, str]
    lists: dict[str, str]
    is_csv: bool

    def column_of(self, name: str) -> str | None:
        """Name the column that feeds a field, null where none does."""
        return self.single.get(name, self.lists.get(name))


def detect(path: Path) -> str | None:
    """Say that a file has columns of our names, or None; every more specific format goes first."""
    names = set(rows.peek(path))
    if not ({"prompt", "prompt_ids"} & names and {"completion", "completion_ids"} & names):
        return None
    return f"columns {', '.join(name for name in MAPPABLE if name in names)} have our names"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read one sample a row, or one group a row where a list column is mapped.

    ConfigError where prompt or completion is not mapped, or a mapped column is not in the file: for JSONL the first
    100 lines say which there are.
    """
    for source in sources:
        names = rows.peek(source.path)
        if not names:
            continue
        plan = make_plan(source, options.columns, names)
        if unused := _without_ids(plan, names):
            yield Note(f"{source.name}: {', '.join(unused)} left out, for there are no completion_ids they belong to")
        single = {name: getter(column) for name, column in plan.single.items()}
        lists = {name: getter(column) for name, column in plan.lists.items()}
        columns = list(dict.fromkeys([*plan.single.values(), *plan.lists.values()]))
        yield from rows.each(source, partial(_samples, source, plan, single, lists), columns)


def make_plan(source: Source, mapping: Mapping[str, str], names: Sequence[str]) -> Plan:
    """Decide which column feeds which field: what the user mapped, else a column of our name."""
    chosen = {name: name for name in MAPPABLE if name in names and name not in mapping}
    chosen |= {name: column for name, column in mapping.items() if column}
    for name, column in chosen.items():
        if column.removesuffix("[]") not in names:
            raise ConfigError(f"--map {name}={column}: {source.path} has no such column, only {listed(names)}")
    for wanted in ("prompt", "completion"):
        if not {wanted, f"{wanted}_ids"} & set(chosen):
            raise ConfigError(f"{source.path}: no column for {wanted}: --map {wanted}=COL with one of {listed(names)}")
    if source.path.suffix.lower() in JSONL:
        # A line may bring a field that the first hundred lack: a reward, say, where those were not judged.
        chosen = {name: name for name in MAPPABLE if name not in mapping} | chosen
    lists = {name: column.removesuffix("[]") for name, column in chosen.items() if column.endswith("[]")}
    if lists and not {"completion", "completion_ids"} & set(lists):
        raise ConfigError(f"--map {next(iter(lists))}=COL[]: with list columns, completion must be one of them")
    single = {name: column for name, column in chosen.items() if name not in lists}
    return Plan(single, lists, source.path.suffix.lower() == ".csv")


def _without_ids(plan: Plan, names: Sequence[str]) -> list[str]:
    """Take log-probs and loss mask out of the plan of a text-only file; they say nothing without the token ids."""
    if plan.column_of("completion_ids") in names:
        return []
    token_columns = [name for name in ("logprobs", "loss_mask") if plan.column_of(name) in names]
    for name in ("logprobs", "loss_mask"):
        plan.single.pop(name, None)
        plan.lists.pop(name, None)
    return token_columns


def getter(column: str) -> Getter:
    """Return what reads a column, or a field by dotted path, of a row; null where the row lacks it."""
    if "." not in column:
        return lambda values: values.get(column)
    parts = column.split(".")

    def reach(values: Mapping[str, Any]) -> Any:
        if column in values:
            return values[column]
        found: Any = values
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    return reach


def _samples(
    source: Source, plan: Plan, single: dict[str, Getter], lists: dict[str, Getter], record: Record
) -> Iterator[Item]:
    raw = {name: get(record.values) for name, get in single.items()}
    if plan.is_csv:
        raw = {name: from_cell(name, value) for name, value in raw.items()}
    _refuse_list(plan, raw)
    group = raw.pop("group", None)
    if not lists:
        yield rollout(source.name, record.row, raw, _group_key(group, raw.get("step")))
        return
    columns = _equal_lists({name: get(record.values) for name, get in lists.items()}, plan.is_csv)
    group_key = {"file": source.name, "row": record.row} if group is None else _group_key(group, raw.get("step"))
    for index, own in enumerate(zip(*columns.values(), strict=True)):
        fields = raw | {"sample_index": index} | dict(zip(columns, own, strict=True))
        try:
            yield rollout(source.name, record.row, fields, group_key)
        except BadValueError as error:
            yield reject(source, record, f"sample {index}: {error}")


def _refuse_list(plan: Plan, raw: Mapping[str, Any]) -> None:
    """Refuse a list of completions whose column is mapped as one; a list of messages may still be one completion."""
    for name, one in (("completion", str | list), ("completion_ids", list)):
        value = raw.get(name)
        if isinstance(value, list) and any(isinstance(entry, one) for entry in value):
            raise BadValueError(f"{name} holds a list: map it as {name}={plan.single[name]}[]")


def _group_key(group: object, step: object) -> object:
    # Trainers count groups anew in each step.
    if group is None:
        return None
    return key(group) if step is None else {"group": key(group), "step": key(step)}


def _equal_lists(lists: dict[str, Any], is_csv: bool) -> dict[str, list[Any]]:
    if is_csv:
        lists = {name: _json_cell(name, cell) for name, cell in lists.items()}
    for name, values in lists.items():
        if not isinstance(values, list):
            raise BadValueError(f"{name} is not a list, but its column is mapped with []")
    if len({len(values) for values in lists.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in lists.items())
        raise BadValueError(f"lists of different lengths: {lengths}")
    if not next(iter(lists.values())):
        raise BadValueError("the lists are empty: no samples")
    return lists


def from_cell(name: str, cell: str) -> Any:
    """Read a CSV cell, which is always text, as the type of its field; an empty cell is null.

    An empty prompt or completion stays empty text: a policy that ends at once has said something.
    """
    if cell == "" and name not in ("prompt", "completion"):
        return None
    if name in LISTS:
        return _json_cell(name, cell)
    if name in NUMBERS:
        return {"true": True, "false": False}.get(cell.lower(), _cell_number(cell))
    return cell


def _cell_number(cell: str) -> Any:
    # Bounded: converting a digit string takes time quadratic in its length.
    if len(cell) > 40 or "_" in cell:
        return cell
    for read_number in (int, float):
        try:
            return read_number(cell)
        except ValueError:
            continue
    return cell


def _json_cell(name: str, cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        raise BadValueError(f"{name} is not a JSON list") from None
