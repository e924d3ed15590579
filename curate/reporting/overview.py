"""Section 1: what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.reporting import markup

MAX_LISTED = 8
HEADLINES = {  # column of the table of runs -> dotted name in the manifest
    "recipe": "recipe.variant",
    "objective": "arguments.objective.name",
    "learning rate": "arguments.learning_rate",
    "steps": "steps",
    "tokens": "trained_tokens",
    "drift": "end.drift",
    "ended": "stopped",
}


@dataclass(frozen=True)
class DatasetFacts:
    """What a dataset holds. ``policies`` are (policy, version, temperature, top_p), ``tables`` (table, rows)."""

    label: str
    path: str
    n_prompts: int
    n_groups: int
    n_samples: int
    policies: Sequence[Sequence[Any]]
    tables: Sequence[tuple[str, int]]
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RunFacts:
    """What the manifest of a training run says; ``manifest`` is its JSON, null where the run has none yet."""

    label: str
    path: str
    manifest: Mapping[str, Any] | None


def overview(datasets: Sequence[DatasetFacts], runs: Sequence[RunFacts]) -> str:
    """Return the section on what was read, as HTML."""
    blocks = [_counts(datasets)] if datasets else []
    blocks += [block for data in datasets for block in _dataset(data)]
    if runs:
        blocks += [markup.heading("Training runs"), _headlines(runs), *(_run(run) for run in runs)]
    return markup.section("What was read", *blocks)


def _counts(datasets: Sequence[DatasetFacts]) -> str:
    columns = ("dataset", "prompts", "groups", "samples", "policy", "version", "temperature", "top_p")
    rows: list[list[Any]] = []
    for data in datasets:
        counts = [data.label, data.n_prompts, data.n_groups, data.n_samples]
        policies = list(data.policies) or [[None] * 4]
        rows.append([*counts, *policies[0]])
        rows += [["", "", "", "", *policy] for policy in policies[1:]]
    return markup.table(columns, rows)


def _dataset(data: DatasetFacts) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in data.versions.items())
    held = markup.table(("table", "rows"), data.tables)
    made = markup.paragraph(f"{data.path}" + (f"; samples written by {versions}" if versions else ""), "note")
    return [markup.details(f"{data.label}: tables and versions", made + held), markup.listing(data.notes, "note")]


def _headlines(runs: Sequence[RunFacts]) -> str:
    known = [dict(flattened(run.manifest or {})) for run in runs]
    rows = [
        (run.label, *(each.get(name) for name in HEADLINES.values())) for run, each in zip(runs, known, strict=True)
    ]
    return markup.table(("run", *HEADLINES), rows)


def _run(run: RunFacts) -> str:
    if run.manifest is None:
        return markup.paragraph(f"{run.path} has no manifest.json: the run was stopped, or is not at its end", "note")
    return markup.details(f"{run.label}: manifest", markup.table(("what", "value"), flattened(run.manifest)))


def flattened(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return (dotted name, value) of every plain value of a JSON object, in order; a list is one text, cut after 8."""
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in flattened(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list):
        more = f", ... ({len(value):,} in all)" if len(value) > MAX_LISTED else ""
        return [(name, ", ".join(map(str, value[:MAX_LISTED])) + more)]
    return [(name, value)]
