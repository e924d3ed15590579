"""The state of each part: done, pending (every input is there), waiting (one is missing) or stale (one has changed)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from curate.dataset import Dataset, TableRef, parse_ref
from curate.jobrecord import read_record
from curate.parts import Footer, n_rows, read_footer

State = Literal["done", "pending", "waiting", "stale"]

IMPORT_FINISHED = "import.finished"
ALL = "all"
BRINGERS = ("import", "prompts", "hint", "explain")  # the verbs whose rows come from outside: what they wrote must stay


class ContentIds:
    """Content ids of a dataset's parts: each folder is listed and each footer read once."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._footers: dict[tuple[TableRef, str], Footer | None] = {}
        self._names: dict[TableRef, list[str]] = {}
        self._heads: dict[tuple[TableRef, int], str] = {}

    def footer(self, ref: TableRef, name: str) -> Footer | None:
        """Return the footer of a part, or null where there is no such part."""
        key = (ref, name)
        if key not in self._footers:
            path = self._dataset.part(ref, name)
            self._footers[key] = read_footer(path) if path.exists() else None
        return self._footers[key]

    def of_part(self, ref: TableRef, name: str) -> str | None:
        """Return the content id of a part, or null where there is no such part."""
        footer = self.footer(ref, name)
        return footer.content_id if footer else None

    def of_head(self, ref: TableRef, n_parts: int | None = None) -> str:
        """Return ``n:hash`` over the first n parts of a whole table (all of them), so that parts added later change nothing."""
        if ref not in self._names:
            self._names[ref] = self._dataset.parts(ref)
        names = self._names[ref][:n_parts]
        key = (ref, len(names))
        if key not in self._heads:
            ids = ",".join(f"{name}={self.of_part(ref, name)}" for name in names)
            self._heads[key] = f"{len(names)}:{hashlib.blake2b(ids.encode(), digest_size=8).hexdigest()}"
        return self._heads[key]

    def of_all(self, ref: TableRef) -> str:
        """Return ``all:hash`` over all parts of a table, so that one added later changes it."""
        return f"{ALL}:{self.of_head(ref).partition(':')[2]}"

    def inputs(
        self, name: str, inputs: list[TableRef], lookups: list[TableRef], *, reads_all_parts: bool = False
    ) -> dict[str, str]:
        """Return what a part made now from these inputs would record of them."""
        part_ids = {str(ref): self.of_all(ref) if reads_all_parts else self.of_part(ref, name) or "" for ref in inputs}
        return part_ids | {str(ref): self.of_head(ref) for ref in lookups}

    def changed(self, recorded: dict[str, str], name: str) -> list[str]:
        """Return the inputs whose recorded content ids no longer match."""
        return [text for text, old in recorded.items() if self._current(parse_ref(text), old, name) != old]

    def _current(self, ref: TableRef, recorded: str, name: str) -> str | None:
        if recorded.startswith(f"{ALL}:"):
            return self.of_all(ref)
        if ":" in recorded:
            return self.of_head(ref, int(recorded.partition(":")[0]))
        return self.of_part(ref, name)


@dataclass(frozen=True)
class PartState:
    """The state of one part and, for a stale one, the inputs that changed; for a waiting one, those missing."""

    name: str
    state: State
    because: tuple[str, ...] = ()


def part_states(
    dataset: Dataset,
    ref: TableRef,
    inputs: list[TableRef],
    ids: ContentIds | None = None,
    *,
    made_again: bool = False,
) -> list[PartState]:
    """Return the state of every part of ``ref``: those it has (unless they are made again), those its inputs call for."""
    ids = ids or ContentIds(dataset)
    have = set() if made_again else set(dataset.parts(ref))
    wanted = {name for source in inputs for name in dataset.parts(source)}
    states = []
    for name in sorted(have | wanted):
        if name in have and (footer := ids.footer(ref, name)):
            changed = tuple(ids.changed(footer.inputs, name))
            states.append(PartState(name, "stale" if changed else "done", changed))
        else:
            missing = tuple(str(s) for s in inputs if ids.of_part(s, name) is None)
            states.append(PartState(name, "waiting" if missing else "pending", missing))
    return states


def status(dataset: Dataset, refs: list[TableRef] | None = None) -> list[dict[str, Any]]:
    """Return one record a table or variant (all of them): its parts by state, its rows, and the command that made it."""
    ids = ContentIds(dataset)
    records = []
    for ref in dataset.refs() if refs is None else refs:
        record = read_record(dataset, ref)
        inputs = [parse_ref(text) for text in record.inputs] if record else []
        states = part_states(dataset, ref, inputs, ids)
        counts = {s: sum(1 for p in states if p.state == s) for s in ("done", "pending", "waiting", "stale")}
        rows = sum(n_rows(dataset.part(ref, name)) for name in dataset.parts(ref))
        changed = sorted({text for p in states if p.state == "stale" for text in p.because})
        command = record.command_for(dataset) if record else None
        records.append({"table": str(ref), **counts, "rows": rows, "changed": changed, "command": command})
    return records


def unfinished_import(dataset: Dataset) -> str | None:
    """Return the command of an import (or of ``prompts``) that was stopped before its last part, or null."""
    return None if (dataset.private / IMPORT_FINISHED).exists() else import_command(dataset)


def import_command(dataset: Dataset) -> str | None:
    """Return the command that brought the prompts, with or without samples, or null where no command did."""
    record = read_record(dataset, TableRef("prompts"))
    return record.command_for(dataset) if record and record.verb in BRINGERS else None


def missing_parts(dataset: Dataset) -> list[str]:
    """Return ``table/part`` of every part that a finished import (or ``prompts``) wrote and that is no longer there."""
    finished = dataset.private / IMPORT_FINISHED
    if not finished.exists():
        return []
    parts: dict[str, list[str]] = orjson.loads(finished.read_bytes())["parts"]
    refs = {parse_ref(text): names for text, names in parts.items()}
    return [f"{ref}/{name}" for ref, names in refs.items() for name in names if not dataset.part(ref, name).exists()]
