"""Countdown problems as prompts: what a policy is asked, and what is known of the answer."""

from __future__ import annotations

from typing import NamedTuple

from curate.tasks.generate import Split, problems
from curate.tasks.solve import reference

NAME = "countdown"


class TaskPrompt(NamedTuple):
    """One prompt of a built-in task; a verifier compares with ``answer``, ``reference`` is one solution (null = none known)."""

    prompt: str
    answer: str
    reference: str | None
    domain: str


def countdown_prompts(
    n: int, seed: int, split: Split = "train", numbers: int = 3, highest: int = 12
) -> list[TaskPrompt]:
    """Draw n countdown prompts of one split; the first m of n are those of a call with m.

    The answer is the problem itself, ``3 5 8:64``; the reference its first solution; the domain ``countdown-3`` or
    ``countdown-4`` by how many numbers it has. Raises ConfigError where ``problems`` does.
    """
    drawn = problems(n, seed, split, numbers, highest)
    return [TaskPrompt(p.prompt, p.text, reference(p), f"{NAME}-{len(p.numbers)}") for p in drawn]
