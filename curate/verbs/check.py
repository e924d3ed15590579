"""``curate check``: every rule over every part, and the rules that no single part can break."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def check(dataset: DatasetDir, json: Json = False) -> None:
    """Check every rule over every part; exit 1 with counts and first keys where one is broken."""
    from curate.console import print_json, say
    from curate.dataset import Dataset
    from curate.errors import ContractError

    data = Dataset(dataset)
    problems = find_problems(data)
    notes = [] if problems else find_notes(data)  # a file that cannot be read would stop the query
    if json:
        print_json({"problems": problems, "notes": notes})
    for note in notes:
        say(f"note: {note}")
    if problems:
        raise ContractError("\n".join([f"{len(problems)} problem(s) in {data.root}:", *(f"  {p}" for p in problems)]))
    n_parts = sum(len(data.parts(ref)) for ref in data.refs())
    say(f"{data.root}: {n_parts} parts in {len(data.refs())} tables and variants keep every rule")


def find_problems(data: Dataset) -> list[str]:
    """Return one sentence a broken rule, a stray file, a missing key, a lost or a stale part."""
    from curate.states import import_command, missing_parts

    problems: list[str] = []
    for ref in data.refs():
        problems += _stray_files(data, ref) + _broken_rules(data, ref)
    if not problems:  # a file that cannot be read would stop the queries below
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


def find_notes(data: Dataset) -> list[str]:
    """Return what is allowed but should be known."""
    from curate.dataset import TableRef
    from curate.query import mixed_policy_groups

    samples = TableRef("samples")
    if not data.parts(samples):
        return []
    mixed = mixed_policy_groups(data, samples)
    if not mixed:
        return []
    return [
        f"{mixed:,} groups mix several policies: recipes that read likelihoods refuse them without --allow-mixed-policy"
    ]


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
