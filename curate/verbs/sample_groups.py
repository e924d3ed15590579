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
            self.n_met[self._met(group)] += 1

    def _met(self, group: Group) -> str:
        assert self.rule
        if not self.rule.is_met(group.outcomes):
            return "never"
        return "at first" if len(group.outcomes) == self.rule.n_initial else "later"

    def __str__(self) -> str:
        stopped = (
            f"; {self.rule.text}: {self.n_met['at first']:,} groups were so after {self.rule.n_initial}, "
            f"{self.n_met['later']:,} later, {self.n_met['never']:,} not at all"
            if self.rule
            else ""
        )
        return (
            f"sampled {self.n_groups:,} groups, {self.n_completions:,} completions of {self.n_tokens:,} tokens, "
            f"{self.n_ended / self.n_completions:.1%} ended by themselves; "
            f"{self.n_completions / self.seconds:,.0f} completions/s, {self.n_tokens / self.seconds:,.0f} tokens/s{stopped}"
        )
