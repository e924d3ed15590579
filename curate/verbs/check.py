"""``curate check``: every rule over every part, the rules that no single part can break, and quiet faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.verbs.options import DatasetDir, Json

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef

ACROSS_PARTS = {
    "samples": {
        "a group lies in two parts": (
            "SELECT group_id, count(DISTINCT filename) FROM part GROUP BY group_id HAVING count(DISTINCT filename) > 1"
        ),
        "two sources share a group_id (hash collision)": (
            "SELECT group_id, count(DISTINCT prompt_id) FROM part GROUP BY group_id HAVING count(DISTINCT prompt_id) > 1"
        ),
    },
    "prompts": {
        "a prompt_id stands twice": "SELECT prompt_id, count(*) FROM part GROUP BY prompt_id HAVING count(*) > 1",
    },
}


def check(
    dataset: DatasetDir,
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Checkpoint that sampled: scores some rows, to compare log-probs."),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The policy's tokenizer, to decode ids; --model's if not set.")
    ] = None,
    json: Json = False,
) -> None:
    """Check every rule over every part, and look for what ruins training quietly.

    Exit code 1 with counts and first keys where a rule is broken or a fault is found: shifted log-probs, misread
    rewards, a wrong temperature, a template applied twice, ids that are not the text, duplicated groups, unflagged
    truncation, mixed counts of steps, failing gold answers, mixed policies. What is allowed or not proven is a note, and
    what could not be looked at is said.
    """
    from dataclasses import asdict

    from curate.checking import FAULTS
    from curate.console import print_json, say
    from curate.dataset import Dataset
    from curate.errors import ContractError
    from curate.verbs.check_faults import find_faults
    from curate.verbs.lookup import find_checkpoint

    data = Dataset(dataset)
    model, tokenizer = (path and find_checkpoint(path) for path in (model, tokenizer))
    broken = _broken(data)
    problems = broken or _at_odds(data)
    # a part that cannot be read would stop the search
    found, not_looked_at = ([], []) if broken else find_faults(data, model, tokenizer)
    faults = [each for each in found if not each.is_note]
    notes = [each for each in found if each.is_note]
    if json:
        said = {"faults": [asdict(each) for each in faults], "notes": [asdict(each) for each in notes]}
        print_json({"problems": problems, **said, "not_looked_at": not_looked_at})
    for note in notes:
        say(f"note: {note}")
    for sentence in not_looked_at:
        say(f"not looked at: {sentence}")
    if problems or faults:
        raise ContractError("\n".join(_listed(data, "problem(s)", problems) + _listed(data, "fault(s)", faults)))
    n_parts = sum(len(data.parts(ref)) for ref in data.refs())
    say(f"{data.root}: {n_parts} parts in {len(data.refs())} tables and variants keep every rule")
    beside = (" beside the notes" if notes else "") + (", of what could be looked at" if not_looked_at else "")
    say(f"looked for {len(FAULTS)} faults that ruin training quietly: none found{beside}")


def _listed(data: Dataset, what: str, found: Sequence[object]) -> list[str]:
    return [f"{len(found)} {what} in {data.root}:", *(f"  {each}" for each in found)] if found else []


def find_problems(data: Dataset) -> list[str]:
    """Return one sentence a broken rule, a stray file, a missing key, a lost or a stale part."""
    return _broken(data) or _at_odds(data)  # a file that cannot be read would stop the second


def _broken(data: Dataset) -> list[str]:
    """Return what is wrong with single parts."""
    problems: list[str] = []
    for ref in data.refs():
        problems += _stray_files(data, ref) + _broken_rules(data, ref)
    return problems


def _at_odds(data: Dataset) -> list[str]:
    """Return what is wrong between parts."""
    from curate.states import import_command, missing_parts

    problems: list[str] = []
    for ref in data.refs():
        problems += _across_parts(data, ref) + _against_samples(data, ref)
    problems += _unknown_prompts(data)
    lost = missing_parts(data)
    problems += [f"{part} was imported and is missing; run `{import_command(data)}`" for part in lost]
    problems += [
        f"{s['table']} is stale: {', '.join(s['changed'])} changed since; run `{s['command']} --overwrite`"
        for s in data.status()
        if s["stale"] and not lost
    ]
    return problems


def _stray_files(data: Dataset, ref: TableRef) -> list[str]:
    strays = [p.name for p in sorted(data.folder(ref).iterdir()) if p.suffix != ".parquet"]
    return [f"{ref}: {name} is no finished part; move it out of the folder" for name in strays]


def _broken_rules(data: Dataset, ref: TableRef) -> list[str]:
    from curate.contracts import conform, contract
    from curate.errors import ContractError
    from curate.parts import read_table

    problems = []
    for name in data.parts(ref):
        try:
            conform(contract(ref.table), read_table(data.part(ref, name)), f"{ref}/{name}")
        except ContractError as error:
            problems.append(str(error))
    return problems


def _across_parts(data: Dataset, ref: TableRef) -> list[str]:
    from curate.errors import ContractError
    from curate.query import group_violations

    problems = []
    for rule, query in ACROSS_PARTS.get(ref.table, {}).items():
        try:
            if data.parts(ref) and (broken := group_violations(data, ref, query)):
                problems.append(f"{ref}: {rule}: {len(broken):,} time(s), first {broken[0][0]}")
        except ContractError as error:
            return [str(error)]
    return problems


def _against_samples(data: Dataset, ref: TableRef) -> list[str]:
    """A part of a sample-grain table holds the keys of the samples part of its name, in the same order."""
    from curate.contracts import contract
    from curate.dataset import TableRef
    from curate.errors import ContractError
    from curate.stage import read, same_keys

    if ref.table == "samples" or "sample_index" not in contract(ref.table).schema.names or ref.table == "branches":
        return []
    problems, samples = [], set(data.parts(TableRef("samples")))
    for name in data.parts(ref):
        if name not in samples:
            problems.append(f"{ref}/{name}: samples has no part of this name")
            continue
        keys = ["group_id", "sample_index"]
        try:
            same_keys(read(data, TableRef("samples"), name, keys), read(data, ref, name, keys), f"{ref}/{name}")
        except ContractError as error:
            problems.append(str(error))
    return problems


def _unknown_prompts(data: Dataset) -> list[str]:
    from curate.query import connect, records

    if not {"prompts", "samples"} <= {ref.table for ref in data.refs()}:
        return []
    query = "SELECT DISTINCT prompt_id FROM samples WHERE prompt_id NOT IN (SELECT prompt_id FROM prompts)"
    unknown = [row["prompt_id"] for row in records(connect(data), data, "samples", query)]
    return [f"samples: {len(unknown):,} prompt_id(s) are not in prompts, first {unknown[0]}"] if unknown else []
