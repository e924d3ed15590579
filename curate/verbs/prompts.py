"""``curate prompts``: a file, a saved dataset or a built-in task -> prompts, to be sampled."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.dataset import TableRef
from curate.verbs.options import Overwrite

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.jobrecord import JobRecord
    from curate.tasks.prompts import TaskPrompt

PROMPTS = TableRef("prompts")
TASK = "countdown"
GYM = "reasoning_gym:"  # and the name of one of its tasks
OTHER_SOURCES = "a file has its prompts as they are, reasoning_gym its default settings"
TASK_DEFAULTS: dict[str, Any] = {"split": "train", "numbers": 3, "highest": 12}


def prompts(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_TASK", help="A file, a folder, countdown, or reasoning_gym:TASK.", show_default=False
        ),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the dataset.", show_default=False)],
    n: Annotated[int | None, typer.Option(min=1, help="How many prompts, chosen by --seed; a task needs it.")] = None,
    seed: Annotated[int, typer.Option(help="Which n prompts; without --n it says nothing.")] = 0,
    split: Annotated[str | None, typer.Option(help="Split of a saved DatasetDict; of a task train or heldout.")] = None,
    numbers: Annotated[int | None, typer.Option(help="countdown: numbers of a problem, 3 (default) or 4.")] = None,
    highest: Annotated[int | None, typer.Option(help="countdown: highest number, 12 by default, at most 20.")] = None,
    prompt_column: Annotated[
        str | None,
        typer.Option(
            metavar="COL",
            help="Text or messages, or a text with {COL} in it; else prompt, question, problem, messages.",
        ),
    ] = None,
    answer_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Else answer, final_answer, ground_truth; '' = none.")
    ] = None,
    reference_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Solution text; else reference, solution; '' = none.")
    ] = None,
    domain_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Else domain, subject, data_source; '' = none.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="COL", help="Else prompt_id, or a hash of the prompt; '' = the hash.")
    ] = None,
    prompts_per_part: Annotated[
        int, typer.Option(min=1, help="Rows of a part; sampling resumes part by part.")
    ] = 3_000,
    max_bad_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rejected rows above which nothing is written.")
    ] = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Bring prompts into a dataset; says which columns it took, what it found, and what it rejected."""
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET, JobRecord, versions
    from curate.stage import variant_lock

    columns = named_columns(prompt_column, answer_column, reference_column, domain_column, id_column)
    task = {"split": split, "numbers": numbers, "highest": highest}
    check_source(source, n, task, columns)
    data = Dataset(to, create=True)
    about = _task_settings(source, task) if _is_task(source) else _stored(data, Path(source), split, columns)
    parameters = {
        "source": source if _is_task(source) else TASK,
        **about,
        "n": n,
        "seed": seed if n else None,
        "prompts_per_part": prompts_per_part,
    }
    named = {f"{name.removeprefix('prompt_')}_column": column for name, column in columns.items()}
    again = command(
        "prompts", source, to=DATASET, n=n, seed=seed or None, **task, **named, prompts_per_part=prompts_per_part
    )
    record = JobRecord("prompts", str(PROMPTS), parameters, [], [], again, versions())
    if _is_done(data, record, overwrite):  # takes no lock, so that a read-only dataset can be run again
        say(_nothing_to_do(data))
        return
    with variant_lock(data, PROMPTS):
        if _is_done(data, record, overwrite):
            say(_nothing_to_do(data))
        elif _is_task(source):
            _bring(data, record, _drawn(source, n or 0, seed, task, prompts_per_part), max_bad_share, overwrite)
        else:
            with _scratch(data) as scratch:
                read = _read(Path(source), split, columns, scratch, n, seed, prompts_per_part)
                _bring(data, record, read, max_bad_share, overwrite)


def named_columns(
    prompt: str | None, answer: str | None, reference: str | None, domain: str | None, prompt_id: str | None
) -> dict[str, str | None]:
    """Return the columns that were asked for, by the column of ``prompts`` they fill; null = not named."""
    return {"prompt": prompt, "answer": answer, "reference": reference, "domain": domain, "prompt_id": prompt_id}


def check_source(source: str, n: int | None, task: Mapping[str, Any], columns: Mapping[str, str | None]) -> None:
    """Raise ConfigError for options that do not go with the source: known from the arguments alone."""
    from curate.errors import ConfigError

    if source != TASK:
        for name in ("numbers", "highest"):
            if task[name] is not None:
                raise ConfigError(f"--{name} belongs to the task {TASK}: {OTHER_SOURCES}")
    if not _is_task(source):
        return
    given = [name.removeprefix("prompt_") for name, column in columns.items() if column is not None]
    if given:
        raise ConfigError(f"--{given[0]}-column belongs to files; {source} is a task (a file of that name: ./{source})")
    if n is None:
        raise ConfigError(f"the task {source} makes as many prompts as you ask for: give --n, such as --n 256")
    settings = _task_settings(source, task)
    if settings["split"] not in ("train", "heldout") or settings.get("numbers", 3) not in (3, 4):
        numbers = " and --numbers 3 or 4" if source == TASK else ""
        raise ConfigError(f"the task {source} has --split train or heldout{numbers}")


def _is_task(source: str) -> bool:
    return source == TASK or source.startswith(GYM)


def _task_settings(source: str, task: Mapping[str, Any]) -> dict[str, Any]:
    known = task if source == TASK else {"split": task["split"]}
    return {name: TASK_DEFAULTS[name] if value is None else value for name, value in known.items()}


def _stored(data: Dataset, path: Path, split: str | None, columns: Mapping[str, str | None]) -> dict[str, Any]:
    """Return fingerprint, split and columns of a source: as they were where it is no longer there."""
    from curate.errors import ConfigError, did_you_mean
    from curate.importing import fingerprint
    from curate.importing.prompt_columns import choose_columns
    from curate.importing.prompt_files import find_prompts
    from curate.jobrecord import read_record

    old = read_record(data, PROMPTS)
    if not path.exists() and old and old.verb == "prompts" and str(path) in shlex.split(old.command):
        kept = {name: old.parameters[name] for name in ("source", "split", "columns")}
        given = {name: column or None for name, column in columns.items() if column is not None}
        return kept | {"columns": kept["columns"] | given, "split": split or kept["split"]}
    if not path.exists():
        raise ConfigError(
            f"{path} is neither a file nor a folder nor a task{did_you_mean(str(path), [TASK])}; tasks: {TASK}, "
            f"{GYM}TASK"
        )
    files, taken = find_prompts(path, split)
    chosen = choose_columns(files, columns)
    return {"source": fingerprint(files), "split": taken, "columns": {name: chosen.get(name) for name in columns}}


@dataclass(frozen=True)
class _Brought:
    """Prompts ready to be written: what to say of them, what was read, and their parts."""

    sentences: list[str]
    n_read: int
    dropped: dict[str, int]
    n_rejects: int
    rejects_path: Path
    started: float
    parts: Iterator[tuple[str, pa.Table]]


def _drawn(source: str, n: int, seed: int, task: Mapping[str, Any], prompts_per_part: int) -> _Brought:
    """Draw the prompts of the task; memory holds them all, for there are at most some hundred thousand."""
    from curate.tasks.prompts import countdown_prompts
    from curate.tasks.reasoning_gym import reasoning_gym_prompts

    started, settings = time.monotonic(), _task_settings(source, task)
    if source == TASK:
        drawn = countdown_prompts(n, seed, **settings)
        kind = f"problems with {settings['numbers']} numbers of 1..{settings['highest']}"
    else:
        drawn, kind = reasoning_gym_prompts(source.removeprefix(GYM), n, seed, settings["split"]), "problems"
    line = f"task {source}: {n:,} {settings['split']} {kind}, seed {seed}"
    return _Brought([line], n, {}, 0, Path(), started, _task_parts(source, drawn, prompts_per_part))


def _task_parts(source: str, drawn: list[TaskPrompt], prompts_per_part: int) -> Iterator[tuple[str, pa.Table]]:
    from curate.contracts import contract
    from curate.ids import prompt_id

    for number, low in enumerate(range(0, len(drawn), prompts_per_part)):
        some = drawn[low : low + prompts_per_part]
        columns: dict[str, Any] = dict(zip(some[0]._fields, zip(*some, strict=True), strict=True))
        columns |= {"prompt_format": ["text"] * len(some), "source": [source] * len(some)}
        columns["prompt_id"] = [prompt_id(each.prompt) for each in some]
        yield f"part-{number:05d}.parquet", contract("prompts").rows(columns)


@contextlib.contextmanager
def _scratch(data: Dataset) -> Iterator[Path]:
    folder = data.private / "tmp" / "prompts-source"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(
    path: Path,
    split: str | None,
    columns: Mapping[str, str | None],
    scratch: Path,
    n: int | None,
    seed: int,
    prompts_per_part: int,
) -> _Brought:
    from curate.contracts import contract
    from curate.importing.prompt_columns import choose_columns
    from curate.importing.prompt_files import find_prompts, load_prompts
    from curate.importing.prompt_report import prompt_sentences

    started = time.monotonic()
    files, _ = find_prompts(path, split)
    stored = load_prompts(files, choose_columns(files, columns), scratch, path.resolve().name, n, seed)
    counts = stored.counts
    dropped = {"duplicate": counts.n_duplicates, "not chosen": counts.n_prompts - len(stored.chosen)}
    return _Brought(
        prompt_sentences(stored, n, seed),
        counts.n_prompts + counts.n_duplicates + stored.n_rejects,
        dropped,
        stored.n_rejects,
        stored.rejects_path,
        started,
        stored.parts(prompts_per_part, contract("prompts").loose_schema),
    )


def _bring(data: Dataset, record: JobRecord, brought: _Brought, max_bad_share: float, overwrite: bool) -> None:
    """Write the parts that are not there yet, and mark the table as finished."""
    from curate.console import say
    from curate.stage import progress
    from curate.summary import Summary
    from curate.verbs.sources import keep_rejects, make_room, mark_finished, refuse_rejects

    kept = keep_rejects(data, "prompts", brought.n_rejects, brought.rejects_path)
    for line in brought.sentences:
        say(line)
    refuse_rejects(brought.n_rejects, brought.n_read, max_bad_share, kept)
    make_room(data, {PROMPTS: record}, overwrite)
    summary = Summary(str(PROMPTS), rows_in=brought.n_read, rejected=brought.n_rejects, dropped=brought.dropped)
    names = []
    with progress(brought.n_read - brought.n_rejects - sum(brought.dropped.values()), "prompts") as bar:
        for name, rows in brought.parts:
            names.append(name)
            if data.part(PROMPTS, name).exists():
                summary.parts_done += 1
            else:
                _write(data, record, name, rows)
                summary.add(0, rows.num_rows, {}, {})
            bar.update(rows.num_rows)
    mark_finished(data, record.hash, {str(PROMPTS): names})
    summary.seconds = time.monotonic() - brought.started
    say(summary)


def _write(data: Dataset, record: JobRecord, name: str, rows: pa.Table) -> None:
    from curate.contracts import contract
    from curate.parts import Footer, write_part
    from curate.stage import temporary_folder

    rules = contract("prompts")
    about = {"counts": {"rows_in": rows.num_rows, "dropped": {}, "failed": {}}}
    footer = Footer(rules.hash, record.hash, {}, record.versions, about)
    write_part(data.part(PROMPTS, name), rows, rules, footer, temporary_folder(data, PROMPTS))


def _is_done(data: Dataset, record: JobRecord, overwrite: bool) -> bool:
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.verbs.sources import is_done

    old = read_record(data, PROMPTS)
    if old and old.verb != "prompts" and data.parts(PROMPTS):
        raise ConfigError(
            f"{data.root}/{PROMPTS} came with `{old.command_for(data)}`: prompts to sample from need a folder of their "
            "own, --to DIR"
        )
    return is_done(data, {PROMPTS: record}, record.hash, overwrite)


def _nothing_to_do(data: Dataset) -> str:
    return f"{PROMPTS}: nothing to do, {len(data.parts(PROMPTS))} part(s) are there"
