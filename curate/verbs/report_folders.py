"""The folders a report is made of: datasets and training runs, with labels of their own, and what they hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset
    from curate.reporting import DatasetFacts, RunFacts

MANIFEST, LOG = "manifest.json", "train_log.jsonl"
MAX_POLICIES = 8
LOGGED = {  # column -> key of a line of the log
    "step": "step",
    "tokens": "all_tokens",
    "drift": "drift",
    "entropy": "entropy",
    "loss": "loss",
    "grad_norm": "grad_norm",
}


@dataclass(frozen=True)
class Folders:
    """Datasets and training runs by label, in the order given."""

    datasets: dict[str, Dataset]
    runs: dict[str, Path]


def open_folders(paths: list[Path]) -> Folders:
    """Open every folder; raises ConfigError where one is neither a dataset nor a training run, or is given twice."""
    from curate.dataset import DATASET_TABLES, Dataset
    from curate.errors import ConfigError

    named = labels(paths)
    folders = Folders({}, {})
    for path, label in zip(paths, named, strict=True):
        is_run = any((path / name).is_file() for name in (MANIFEST, LOG))
        if any((path / table).is_dir() for table in DATASET_TABLES):
            folders.datasets[label] = Dataset(path)
        elif is_run:
            folders.runs[label] = path
        else:
            raise ConfigError(
                f"{path} is neither a dataset (a folder with {', '.join(DATASET_TABLES[:2])}, ...) nor the output of "
                f"`curate train` (with {MANIFEST} or {LOG})"
            )
    return folders


def labels(paths: list[Path]) -> list[str]:
    """Return the last names of the paths, as few as tell each from the others; raises ConfigError for one path twice."""
    from curate.errors import ConfigError

    parts = [path.resolve().parts for path in paths]
    for path, times in Counter(parts).items():
        if times > 1:
            raise ConfigError(f"{Path(*path)} is given twice: give every folder once")
    depth = [1] * len(parts)
    while True:
        found = ["/".join(each[-n:]) for each, n in zip(parts, depth, strict=True)]
        shared = {label for label, times in Counter(found).items() if times > 1}
        if not shared:
            return found
        depth = [n + 1 if label in shared else n for n, label in zip(depth, found, strict=True)]


def overview_section(folders: Folders) -> str:
    """Return the section on what was read, as HTML."""
    from curate.reporting import overview

    datasets = [_dataset_facts(label, data) for label, data in folders.datasets.items()]
    return overview(datasets, [_run_facts(label, path) for label, path in folders.runs.items()])


def _dataset_facts(label: str, data: Dataset) -> DatasetFacts:
    import polars as pl

    from curate.dataset import TableRef
    from curate.parts import read_footer
    from curate.reporting import DatasetFacts

    states = data.status()
    samples = TableRef("samples")
    parts = data.parts(samples)
    notes = [_not_current(state) for state in states if state["stale"] or state["pending"] or state["waiting"]]
    counts, policies = (0, 0, 0), []
    if parts:
        rows = data.scan("samples")
        counts = rows.select(pl.col("prompt_id").n_unique(), pl.col("group_id").n_unique(), n=pl.len()).collect().row(0)
        setting = ("policy", "policy_version", "temperature", "top_p")
        policies = rows.select(setting).unique().sort(setting, nulls_last=True).collect().rows()
        if len(policies) > MAX_POLICIES:
            notes.append(f"{len(policies):,} policies or settings; the first {MAX_POLICIES} are shown")
    else:
        notes.append(f"{data.root} has no samples: run `{data.maker('samples')}`")
    return DatasetFacts(
        label,
        str(data.root),
        *counts,
        policies[:MAX_POLICIES],
        [(state["table"], state["rows"]) for state in states],
        read_footer(data.part(samples, parts[0])).versions if parts else {},
        notes,
    )


def _not_current(state: dict[str, Any]) -> str:
    missing = state["pending"] + state["waiting"]
    again = f": run `{state['command']}`" if state["command"] else ""
    return f"{state['table']} is not current: {state['stale']} part(s) stale, {missing} missing{again}"


def _run_facts(label: str, path: Path) -> RunFacts:
    from curate.reporting import RunFacts

    return RunFacts(label, str(path), _read_json(path / MANIFEST))


def trained_policies(folders: Folders) -> list[tuple[str, str]]:
    """Return the fingerprints of the policy that each run began with and ended with, where its manifest has both."""
    manifests = [_read_json(path / MANIFEST) or {} for path in folders.runs.values()]
    ends = [tuple(_fingerprint(manifest.get(key)) for key in ("model", "result")) for manifest in manifests]
    return [(before, after) for before, after in ends if before and after]


def _fingerprint(checkpoint: object) -> str | None:
    found = checkpoint.get("fingerprint") if isinstance(checkpoint, dict) else None
    return found if isinstance(found, str) else None


def _read_json(path: Path) -> dict[str, Any] | None:
    import orjson

    from curate.errors import ContractError

    if not path.is_file():
        return None
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ContractError(f"{path} is no JSON ({error}): restore it, or leave this folder out") from error
    if not isinstance(content, dict):
        raise ContractError(f"{path} holds no JSON object: restore it, or leave this folder out")
    return content


def training_section(folders: Folders) -> str:
    """Return the section on training runs, as HTML; nothing where no run is given."""
    import polars as pl

    from curate.reporting import training

    if not folders.runs:
        return ""
    steps = pl.concat([_steps(label, path / LOG) for label, path in folders.runs.items()])
    notes = [
        f"{path} has no {LOG} with a step in it: `curate train` writes it"
        for label, path in folders.runs.items()
        if label not in steps["name"]
    ]
    return training(steps, notes)


def _steps(label: str, path: Path) -> pl.DataFrame:
    """Return the logged steps of a run; a last line that a kill tore is left out, a number not logged is null."""
    import orjson
    import polars as pl

    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = []
    for line in lines:
        try:
            step = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(step, dict) and LOGGED["tokens"] in step:  # lines that sum up an epoch have no such count
            rows.append({name: _number(step.get(key)) for name, key in LOGGED.items()})
    schema = dict.fromkeys(LOGGED, pl.Float64)
    return pl.DataFrame(rows, schema=schema).select(pl.lit(label).alias("name"), *LOGGED)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
