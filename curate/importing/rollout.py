"""What an importer reads: one record a sample, in the source's own order, and what it left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.errors import ConfigError
from curate.records import Reject


class Rollout(NamedTuple):
    """One sample as an importer read it; null is what the source does not say.

    ``row`` is the 1-based line of a JSONL file, or the 1-based data row of a Parquet or CSV file. ``group_key`` is
    whatever names the group in the source (null = to be inferred from step and prompt), ``sample_index`` the source's
    own index in the group (null = source order). ``accuracy`` is the source's own statement that the sample is correct, ``q`` and
    ``visits`` are a search's own value and count of visits of the sample's last step.
    A named tuple, not a dataclass: an import makes millions, and it is written out column by column.
    """

    file: str
    row: int
    group_key: object = None
    step: int | str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    prompt_format: str = "text"
    prompt_ids: NDArray[np.int32] | None = None
    answer: str | None = None
    reference: str | None = None
    domain: str | None = None
    sample_index: int | None = None
    completion: str | None = None
    completion_ids: NDArray[np.int32] | None = None
    logprobs: NDArray[np.float32] | None = None
    loss_mask: NDArray[np.bool_] | None = None
    finish_reason: str | None = None
    policy: str | None = None
    policy_version: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    token_exact: bool = False
    logprob_semantics: str | None = None
    hinted: bool = False
    reward: float | None = None
    accuracy: bool | None = None
    advantage: float | None = None
    q: float | None = None
    visits: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What the user must know of a source beyond its rows; ``rows`` counts rows left out on purpose."""

    text: str
    rows: int = 0


Item = Rollout | Reject | Note

MAPPABLE = (
    *("prompt", "prompt_ids", "prompt_id", "answer", "reference", "domain", "group", "step", "sample_index"),
    *("completion", "completion_ids", "logprobs", "loss_mask", "finish_reason", "policy", "policy_version"),
    *("temperature", "top_p", "seed", "logprob_semantics", "hinted", "reward", "accuracy", "advantage"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says of a source.

    ``columns`` maps our field names to the source's columns, ``correct_when`` is an SQL condition on ``reward``,
    ``decode`` turns token ids into text for sources that hold ids only.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    correct_when: str | None = None
    decode: Callable[[Sequence[int]], str] | None = None


def parse_map(items: Sequence[str]) -> dict[str, str]:
    """Read ``--map field=COL`` options into a mapping; ConfigError names the bad one and the fields there are."""
    columns: dict[str, str] = {}
    for item in items:
        name, equals, column = item.partition("=")
        if not equals or name not in MAPPABLE:
            raise ConfigError(f"--map {item}: write field=COLUMN, with one of the fields {', '.join(MAPPABLE)}")
        if name in columns:
            raise ConfigError(f"--map {item}: {name} is already mapped to {columns[name]}")
        columns[name] = column
    return columns


def refuse_columns(options: Options, name: str, allowed: tuple[str, ...] = ()) -> None:
    """Raise a ConfigError where ``--map`` names a field that a format with fixed columns would ignore."""
    unused = sorted(set(options.columns) - set(allowed))
    if unused:
        raise ConfigError(
            f"--map {unused[0]}=...: the columns of format {name} are fixed"
            + (f", only {', '.join(allowed)} can be mapped" if allowed else "")
            + "; use --format generic to map columns"
        )
