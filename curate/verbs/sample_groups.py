"""A group while it is sampled, and the count of what a run has drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.records import Outcome
    from curate.sampling.completion import Completion
    from curate.sampling.stopping import Rule

Prompt = dict[str, Any]
GOLD_FAILED = "gold_failed"  # why a prompt is left out after `curate verify --self-test`


@dataclass
class Group:
    """One group so far: its prompt, and what was drawn for it, in the order of the sample index."""

    id: int
    prompt: Prompt
    completions: list[Completion] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass
class Drawn:
    """What this run has sampled; ``str()`` is the line a user reads."""

    rule: Rule | None = None
    n_groups: int = 0
    n_completions: int = 0
    n_tokens: int = 0
    n_ended: int = 0
    n_met: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, completions: Sequence[Completion], seconds: float) -> None:
        """Count some completions and the time they took."""
        self.n_completions += len(completions)
        self.n_tokens += sum(len(completion.ids) for completion in completions)
        self.n_ended += sum(completion.finish_reason == "stop" for completion in completions)
        self.seconds += seconds

    def finish(self, groups: Sequence[Group]) -> None:
        """Count some groups that are finished, and when each met the rule."""
        self.n_groups += len(groups)
        for group in groups if self.rule else ():
            assert self.rule
            self.n_met[when_met(self.rule, group.outcomes)] += 1

    def __str__(self) -> str:
        stopped = f"; {met_told(self.rule, self.n_met)}" if self.rule else ""
        return (
            f"sampled {self.n_groups:,} groups, {self.n_completions:,} completions of {self.n_tokens:,} tokens, "
            f"{self.n_ended / self.n_completions:.1%} ended by themselves; "
            f"{self.n_completions / self.seconds:,.0f} completions/s, {self.n_tokens / self.seconds:,.0f} tokens/s{stopped}"
        )


def when_met(rule: Rule, outcomes: Sequence[Outcome]) -> str:
    """Return when a finished group met the rule: at first, later, never."""
    if not rule.is_met(outcomes):
        return "never"
    return "at first" if len(outcomes) == rule.n_initial else "later"


def met_told(rule: Rule, n_met: Counter[str]) -> str:
    """Return how many groups met the rule when, as a sentence."""
    return (
        f"{rule.text}: {n_met['at first']:,} groups were so after {rule.n_initial}, "
        f"{n_met['later']:,} later, {n_met['never']:,} not at all"
    )
