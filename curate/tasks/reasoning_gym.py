"""Problems of reasoning-gym (github.com/open-thought/reasoning-gym) as prompts; the answer holds the whole entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from importlib.metadata import version
from itertools import count
from typing import Any

from curate.errors import ConfigError, did_you_mean
from curate.tasks.generate import HELDOUT_SHARE, Split
from curate.tasks.prompts import TaskPrompt

SOURCE = "reasoning_gym"
SIZE = 500  # entries of one dataset; some tasks make them all at once, so more come from further datasets
MAX_NOTHING_NEW = 1000  # entries in a row of the other split, or that came before


def reasoning_gym_prompts(task: str, n: int, seed: int, split: Split = "train") -> list[TaskPrompt]:
    """Draw n different problems of one split of a task, made with its default settings.

    The first m of n are those of a call with m. A problem is held out where the hash of its question is 0 modulo 5, so the
    splits share none whatever the seeds. ``answer`` is JSON of task, version and entry (question, answer, metadata), which
    the verifier ``reasoning_gym`` reads; ``reference`` the entry's answer, null where it has none. Raises ConfigError for
    an unknown task, one that cannot be made, and where the task has fewer problems.
    """
    drawn: dict[str, TaskPrompt] = {}
    n_nothing_new = 0
    for entry in _entries(task, seed):
        question = entry["question"]
        if question in drawn or split_of(question) != split or not _is_answered(entry):
            n_nothing_new += 1
            if n_nothing_new == MAX_NOTHING_NEW:
                raise ConfigError(
                    f"only {len(drawn)} {split} problems of {SOURCE}:{task} were found, {n} were asked for"
                )
            continue
        n_nothing_new = 0
        drawn[question] = TaskPrompt(question, answer_of(task, entry), _text(entry["answer"]), task)
        if len(drawn) == n:
            break
    return list(drawn.values())


def split_of(question: str) -> Split:
    """Say which split a problem belongs to: the same for every seed."""
    return "train" if _hash(question, b"split") % HELDOUT_SHARE else "heldout"


def answer_of(task: str, entry: dict[str, Any]) -> str:
    """Write an entry as canonical JSON that can be read back exactly.

    A tuple is ``{"__tuple__": [...]}``, a mapping with keys that are not text ``{"__pairs__": [[key, value], ...]}``. Raises
    ConfigError for a value that JSON cannot hold.
    """
    try:
        told = {"task": task, "version": version("reasoning-gym"), "entry": _plain(entry)}
        return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"an entry of {SOURCE}:{task} cannot be written as JSON: {error}") from None


def _is_answered(entry: dict[str, Any]) -> bool:
    """Tell whether the entry's own answer is one: sympy leaves some integrals of intermediate_integration as they are."""
    return not isinstance(entry["answer"], str) or "Integral(" not in entry["answer"]


def _text(answer: object) -> str | None:
    return str(answer) if isinstance(answer, str) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("__") for key in value):
            return {str(key): _plain(inner) for key, inner in value.items()}
        return {"__pairs__": [[_plain(key), _plain(inner)] for key, inner in value.items()]}
    if isinstance(value, tuple):
        return {"__tuple__": [_plain(inner) for inner in value]}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return str(value)
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def _entries(task: str, seed: int) -> Iterator[dict[str, Any]]:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError:
        raise ConfigError(f"{SOURCE} needs reasoning-gym: pip install 'curate[reasoning-gym]'") from None
    if task not in DATASETS or task == "composite":
        raise ConfigError(f"{SOURCE} has no task {task!r}{did_you_mean(task, DATASETS)}; tasks: {', '.join(DATASETS)}")
    for turn in count():
        dataset = create_dataset(task, seed=_hash(f"{seed}|{task}|{turn}", b"draw") % (1 << 30), size=SIZE)
        for number in range(SIZE):
            entry: dict[str, Any] = dataset[number]
            yield entry


def _hash(text: str, purpose: bytes) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=purpose).digest(), "big")
