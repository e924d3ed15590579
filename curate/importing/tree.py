"""Trees of a search over steps, one node a line (our own form): the children of each node become a group.

A root has ``tree``, ``node``, ``parent`` null and ``prompt`` (text or messages), perhaps ``answer``, ``reference``,
``domain``, ``policy``, ``policy_version``, ``temperature`` and ``top_p`` of the whole tree. Any other node has ``tree``,
``node``, ``parent``, ``text``, and where they are known ``q`` (value of the step, any finite number), ``visits`` (whole, from 0)
and ``terminal`` (true: the solution ends here). The lines of a tree stand together, a parent before its children.

A sample is a node: its completion is the text of the path to it, joined as it is, and its group the children of its
parent. A completion that is not terminal is cut, not ended: finish_reason ``length``. q and visits are judge scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from curate.importing import rows
from curate.importing.convert import BadValueError, integer, key, number, rollout, text, truth
from curate.importing.files import JSONL, Source
from curate.importing.record import Record
from curate.importing.rollout import Item, Note, Options, refuse_columns

NAME = "tree"
FILES = re.compile(r"\.(jsonl|ndjson)$", re.IGNORECASE)
FIELDS = ("tree", "node", "parent", "text")
OF_ROOT = ("prompt", "answer", "reference", "domain", "policy", "policy_version", "temperature", "top_p")


def detect(path: Path) -> str | None:
    """Say why a file looks like trees of a search, or None."""
    if path.suffix.lower() not in JSONL or not set(FIELDS) <= set(rows.peek(path)):
        return None
    return f"fields {', '.join(FIELDS)}: nodes of search trees"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read one sample a node; roots carry the prompt and are no sample. A node whose parent did not come is a reject."""
    refuse_columns(options, NAME)
    yield Note("a group holds the children of one node; a completion is the path to a node")
    for source in sources:
        tree = _Tree()
        yield from rows.each(source, partial(_node, source, tree))
        yield Note(f"{source.name}: roots, which carry the prompts", len(tree.seen))


class _Tree:
    """The tree whose lines are being read: what its root says, and the text of the path to each of its nodes."""

    def __init__(self) -> None:
        self.seen: set[int | str] = set()
        self.name: int | str | None = None
        self.of_root: dict[str, Any] = {}
        self.paths: dict[int | str, str] = {}

    def start(self, name: int | str, root: int | str, of_root: Mapping[str, Any]) -> None:
        if name in self.seen:
            self.name = None
            raise BadValueError(
                f"tree {str(name)[:100]} came before: a tree has one root, and its lines stand together"
            )
        self.seen.add(name)
        self.name, self.of_root, self.paths = name, dict(of_root), {root: ""}


def _node(source: Source, tree: _Tree, record: Record) -> Iterator[Item]:
    values = record.values
    name, node = (_field(values, field, key) for field in ("tree", "node"))
    if values.get("parent") is None:
        if values.get("prompt") is None:
            raise BadValueError("has neither a parent nor a prompt: a root has a prompt, every other node a parent")
        tree.start(name, node, {field: values.get(field) for field in OF_ROOT})
        return
    parent = _field(values, "parent", key)
    if tree.name != name or parent not in tree.paths:
        raise BadValueError(
            f"parent {str(parent)[:100]} of tree {str(name)[:100]} does not stand in the lines before it"
        )
    if node in tree.paths:
        raise BadValueError(f"node {str(node)[:100]} stands in tree {str(name)[:100]} twice")
    path = tree.paths[parent] + _field(values, "text", text)
    is_end = values.get("terminal") is not None and _field(values, "terminal", truth)
    q = None if values.get("q") is None else _field(values, "q", number)
    visits = None if values.get("visits") is None else _field(values, "visits", lambda value: integer(value, 0))
    raw = tree.of_root | {"completion": path, "finish_reason": "stop" if is_end else "length"}
    made = rollout(source.name, record.row, raw, {"file": source.name, "tree": name, "parent": parent})
    tree.paths[node] = path
    yield made._replace(q=q, visits=visits)


def _field(values: Mapping[str, Any], name: str, convert: Any) -> Any:
    if values.get(name) is None:
        raise BadValueError(f"has no {name}")
    try:
        return convert(values[name])
    except BadValueError as error:
        raise BadValueError(f"{name} {error}") from None
