"""verl's rollout and validation dumps (``trainer.rollout_data_dir``): ``{step}.jsonl``, one line a sample.

Fields: input, output, gts, score (the sum of the token scores), step, and whatever the reward function adds, of
which ``acc`` is the outcome when present: score may hold shaping. The text was decoded without special tokens, so
nothing here is token-exact.

The v1 trainer adds uid, the key of its replay buffer: ``{uid of the prompt}_{session}_{output}`` (verl-project/verl,
verl/trainer/ppo/v1/agent_loop_tq.py). The first part, all that stands before the last two underscores, names the
group; the session is the ``rollout.n`` index and so the sample's; the output counts the turns of an agent loop. The
turns of one session have prompts of their own and share its final reward: they are no samples of one prompt, so a
session of several outputs is rejected whole. Any other uid is ignored and the group inferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from curate.importing import rows
from curate.importing.convert import BadValueError, key, rollout
from curate.importing.files import JSONL, Source, numbers_report
from curate.importing.record import Record, reject
from curate.importing.rollout import Item, Note, Options, refuse_columns
from curate.records import Reject

NAME = "verl"
FILES = re.compile(r"^(\d{1,18})\.jsonl$")
FIELDS = ("input", "output", "score", "step")


def detect(path: Path) -> str | None:
    """Say why a file looks like a verl rollout dump, or None."""
    if path.suffix.lower() not in JSONL:
        return None
    names = set(rows.peek(path))
    if not set(FIELDS) <= names:
        return None
    extras = [f"{name} = {meaning}" for name, meaning in (("acc", "outcome"), ("uid", "group")) if name in names]
    return ", ".join([f"fields {', '.join(FIELDS)}", *extras]) + ": a verl rollout dump"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read one sample a line; ``policy_version`` is the trainer's step (an async trainer may have sampled earlier)."""
    refuse_columns(options, NAME)
    steps = [int(found[1]) for source in sources if (found := FILES.search(source.path.name))]
    if steps:
        yield Note(numbers_report(steps, "steps"))
    for source in sources:
        for _, session in groupby(rows.records(source), _session):
            yield from _samples(source, list(session))


def split_uid(uid: object) -> tuple[str, int, int] | None:
    """Split a v1 uid into the prompt's uid, the session and the output; None for any other form."""
    parts = uid.rsplit("_", 2) if isinstance(uid, str) else []
    if len(parts) != 3 or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def _session(record: Record | Reject) -> object:
    if isinstance(record, Reject):
        return record.line
    split = split_uid(record.values.get("uid"))
    return split[:2] if split else record.row


def _samples(source: Source, session: list[Record | Reject]) -> Iterator[Item]:
    for record in session:
        if isinstance(record, Reject):
            yield record
        elif len(session) > 1:
            yield reject(source, record, f"one of {len(session)} outputs of a multi-turn session")
        else:
            try:
                yield _sample(source, record)
            except BadValueError as error:
                yield reject(source, record, str(error))


def _sample(source: Source, record: Record) -> Item:
    values = record.values
    raw = {
        "prompt": values.get("input"),
        "completion": values.get("output"),
        "answer": values.get("gts"),
        "reward": values.get("score"),
        "accuracy": values.get("acc"),
        "step": values.get("step"),
        "policy_version": values.get("step"),
    }
    split = split_uid(values.get("uid"))
    if split is None:
        return rollout(source.name, record.row, raw)
    uid, raw["sample_index"], n_output = split
    if n_output > 0:
        raise BadValueError(f"output {n_output} of a multi-turn session")
    step = values.get("step")
    return rollout(source.name, record.row, raw, {"step": None if step is None else key(step), "uid": uid})
