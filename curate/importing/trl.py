"""TRL's logged completions (GRPO and RLOO with ``log_completions``): ``completions_{step:05d}.parquet``.

Columns: step, prompt, completion, one float column a reward function, extras of the reward functions, advantage
(huggingface/trl 1.16, trl/trainer/grpo_trainer.py, ``log``). Prompt and completion are text or lists of messages.

- A NaN reward means that the function could not score the completion: null here.
- A file holds the last generation batch before its log, whatever happened since the log before it: with
  logging_steps > 1 there are batches that no file holds; where one batch serves several steps, each of their files
  holds it again under a new step. Such repeats are recognised by their content and left out.
- The step is the trainer's when it logged; the policy that sampled is of that step or an earlier one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from curate.errors import ConfigError
from curate.importing import parquet, rows
from curate.importing.convert import rollout
from curate.importing.files import Source, numbers_report
from curate.importing.record import Record, listed
from curate.importing.rollout import Item, Note, Options, refuse_columns

NAME = "trl"
FILES = re.compile(r"^completions_(\d{1,18})\.parquet$")
FIELDS = ("step", "prompt", "completion", "advantage")


def detect(path: Path) -> str | None:
    """Say why a file looks like TRL's logged completions, or None."""
    if path.suffix.lower() != ".parquet" or not set(FIELDS) <= set(rows.peek(path)):
        return None
    return f"columns {', '.join(FIELDS)}: completions logged by a TRL trainer"


def read(sources: Sequence[Source], options: Options) -> Iterator[Item]:
    """Read one sample a row of every file whose generation batch the file before it does not already hold."""
    refuse_columns(options, NAME, ("reward",))
    reward = reward_column(sources, options.columns.get("reward"))
    yield Note(f"reward: column {reward}" if reward else "no reward column")
    steps = [int(found[1]) for source in sources if (found := FILES.search(source.path.name))]
    if steps:
        yield Note(f"{numbers_report(steps, 'steps')}; each file holds only the last generation batch before its log")
    columns = [*FIELDS, *([reward] if reward else [])]
    before = ""
    for source in sources:
        content, n_rows = _content(source, columns)
        if content == before:
            yield Note(f"{source.name} repeats the generation batch of the file before it", n_rows)
        else:
            yield from rows.each(source, partial(_sample, source, reward), columns)
        before = content


def reward_column(sources: Sequence[Source], mapped: str | None) -> str | None:
    """Name the column of the reward: the mapped one, or the only float column there is (advantage apart).

    TRL writes no mark that tells reward functions from extras that they log, and no weights: with several float
    columns the user must choose. ConfigError then, and where a file lacks the column.
    """
    floats = {source: parquet.float_columns(source.path) for source in sources}
    found = dict.fromkeys(name for names in floats.values() for name in names if name != "advantage")
    if mapped is None and len(found) > 1:
        raise ConfigError(
            f"{len(found)} float columns could be the reward: {listed(found)}; "
            "TRL stores the reward functions first and no weights: choose one with --map reward=COL"
        )
    reward = mapped or next(iter(found), None)
    for source in sources if reward else ():
        if reward not in rows.peek(source.path):
            raise ConfigError(f"{source.path} has no column {reward}; its float columns: {listed(floats[source])}")
    return reward


def _content(source: Source, columns: Sequence[str]) -> tuple[str, int]:
    digest = blake2b(digest_size=16)
    n_rows = 0
    for record in rows.records(source, [name for name in columns if name != "step"]):
        digest.update(repr(record.values if isinstance(record, Record) else record).encode("utf-8", "replace"))
        n_rows += 1
    return digest.hexdigest(), n_rows


def _sample(source: Source, reward: str | None, record: Record) -> Iterator[Item]:
    values = record.values
    raw = {
        "prompt": values.get("prompt"),
        "completion": values.get("completion"),
        "step": values.get("step"),
        "policy_version": values.get("step"),
        "reward": _null_if_nan(values.get(reward)) if reward else None,
        "advantage": values.get("advantage"),
    }
    yield rollout(source.name, record.row, raw)


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
