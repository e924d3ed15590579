"""A checkpoint asked the prompts of another dataset: prompts -> samples -> verdicts (and strategies) in a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from curate.dataset import Dataset
    from curate.jobrecord import JobRecord

COUNTDOWN = "countdown"


def answer_prompts(
    model: Path, prompts: Path, to: Path, n: int, seed: int, verifier: str | None, verifier_set: list[str] | None
) -> str:
    """Sample ``n`` completions a prompt, verify them, and return the verifier's name; what is done is not done again.

    Temperature 1, the whole distribution. Countdown prompts need no verifier named, and get strategy clusters. Raises
    ConfigError, before anything is written, for a missing checkpoint, prompts or verifier, or other prompts in ``to``.
    """
    from curate.dataset import Dataset
    from curate.verbs.judge import judge
    from curate.verbs.lookup import find_checkpoint
    from curate.verbs.sample import sample
    from curate.verbs.verify import verify

    checkpoint, source = find_checkpoint(model), Dataset(prompts)
    is_countdown = _sources(source) == {COUNTDOWN}
    name = _verifier(verifier, verifier_set, is_countdown)
    _refuse_other_samples(to, checkpoint, n, seed)
    copy_prompts(source, to, checkpoint)
    sample(to, local=checkpoint, group_size=n, seed=seed)
    verify(to, verifier=name, set_=verifier_set)
    if is_countdown:
        judge(to, rule="canonical", verifier=name)
    return name


def _refuse_other_samples(to: Path, checkpoint: Path, n: int, seed: int) -> None:
    """Raise ConfigError where ``to`` holds samples of another policy, number or seed: evaluate replaces none."""
    from curate.dataset import Dataset, TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.models.fingerprint import fingerprint

    data, samples = Dataset(to, create=True), TableRef("samples")
    record = read_record(data, samples)
    if record is None or record.verb != "sample" or not data.parts(samples):
        return
    asked = {"policy_version": fingerprint(checkpoint), "group_size": n, "seed": seed}
    old = record.parameters
    changed = [f"{name} {old.get(name)} then, {now} now" for name, now in asked.items() if old.get(name) != now]
    if changed:
        raise ConfigError(f"{to} holds other samples ({'; '.join(changed)}): give a new folder with --to DIR")


def _sources(data: Dataset) -> set[str]:
    from curate.errors import ConfigError

    found = set(data.scan("prompts").select("source").unique().collect()["source"])
    if not found:
        raise ConfigError(f"{data.root} has no prompts: run `{data.maker('prompts')}`")
    return found


def _verifier(verifier: str | None, verifier_set: list[str] | None, is_countdown: bool) -> str:
    from curate.errors import ConfigError
    from curate.verbs.judging import Choice

    if verifier is None and not is_countdown:
        raise ConfigError("give --verifier NAME: it judges what the model answers (exact, numeric, gsm8k, math ...)")
    return Choice.of(verifier or COUNTDOWN, verifier_set).verifier.name


def copy_prompts(source: Dataset, to: Path, checkpoint: Path) -> None:
    """Copy the prompts part by part, without token ids where the text is known: the checkpoint has its own tokenizer.

    Parts that are there already are left alone if they hold the same prompts; ConfigError if they do not.
    """
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import DATASET, JobRecord, store, versions
    from curate.stage import variant_lock

    table, data = TableRef("prompts"), Dataset(to, create=True)
    names, have = source.parts(table), data.parts(table)
    if any(name not in names or not _same(source, data, name) for name in have):
        raise ConfigError(f"{to} holds other prompts than {source.root}: give a new folder with --to DIR")
    missing = [name for name in names if name not in have]
    if not missing:
        return
    again = command("evaluate", model=checkpoint, prompts=source.root, to=DATASET)
    record = JobRecord("evaluate", str(table), {"prompts": str(source.root)}, [], [], again, versions())
    with variant_lock(data, table):
        store(data, record, overwrite=False)
        n = sum(_copy(source, data, name, record) for name in missing)
    say(f"prompts: {n:,} copied from {source.root}")


def _same(one: Dataset, other: Dataset, name: str) -> bool:
    from curate.dataset import TableRef
    from curate.stage import read

    columns = ["prompt_id", "prompt", "prompt_format", "answer", "reference", "source"]
    mine, theirs = (read(data, TableRef("prompts"), name, columns) for data in (one, other))
    return bool(mine.equals(theirs))


def _copy(source: Dataset, data: Dataset, name: str, record: JobRecord) -> int:
    from curate.contracts import contract
    from curate.dataset import TableRef
    from curate.parts import Footer, write_part
    from curate.stage import read, temporary_folder

    table, rules = TableRef("prompts"), contract("prompts")
    rows = _without_ids(read(source, table, name))
    counts = {"rows_in": rows.num_rows, "dropped": {}, "failed": {}}
    footer = Footer(rules.hash, record.hash, {}, record.versions, {"counts": counts})
    write_part(data.part(table, name), rows, rules, footer, temporary_folder(data, table))
    return int(rows.num_rows)


def _without_ids(rows: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    place = rows.schema.get_field_index("prompt_ids")
    field = rows.schema.field(place)
    ids = pc.if_else(pc.is_null(rows["prompt"]), rows["prompt_ids"], pa.scalar(None, field.type))
    return rows.set_column(place, field, ids)
