"""What an import found, for the person who runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from curate.importing.group import GroupReport
from curate.importing.prompts import Prompts
from curate.importing.rollout import Rollout
from curate.importing.spill import Spill
from curate.records import Reject


class Found(NamedTuple):
    """Which format a source is in, what shows it, and which of its files are read."""

    format: str
    evidence: str
    files: list[str]
    ignored_files: list[str]


@dataclass
class Tally:
    """What pass 1 counts beside groups and prompts."""

    n_samples: int = 0
    n_left_out: int = 0
    n_rewards: int = 0
    n_accuracies: int = 0
    n_advantages: int = 0
    n_unjudged_advantages: int = 0
    has_index: bool = False
    has_scores: bool = False
    is_binary: bool = True
    lowest_reward: float | None = None
    highest_reward: float | None = None
    notes: list[str] = field(default_factory=list)

    def count(self, rollout: Rollout) -> None:
        """Count a kept sample."""
        self.n_samples += 1
        self.n_accuracies += rollout.accuracy is not None
        self.n_advantages += rollout.advantage is not None
        self.has_index |= rollout.sample_index is not None
        self.has_scores |= rollout.q is not None or rollout.visits is not None
        reward = rollout.reward
        if reward is None:
            self.n_unjudged_advantages += rollout.advantage is not None
            return
        self.n_rewards += 1
        if reward not in (0.0, 1.0):
            self.is_binary = False
        if self.lowest_reward is None or reward < self.lowest_reward:
            self.lowest_reward = reward
        if self.highest_reward is None or reward > self.highest_reward:
            self.highest_reward = reward

    def uncount(self, reward: float | None, accuracy: bool | None, advantage: float | None) -> None:
        """Take a sample that turned out to be a duplicate out of the counts."""
        self.n_samples -= 1
        self.n_rewards -= reward is not None
        self.n_accuracies -= accuracy is not None
        self.n_advantages -= advantage is not None
        self.n_unjudged_advantages -= advantage is not None and reward is None


@dataclass(frozen=True)
class Report:
    """What was found, for a person: every row is a sample, a reject, or left out with a note.

    ``outcome_from`` says what makes a sample correct, null where nothing does (then recipes that need it refuse).
    """

    format: str
    evidence: str
    files: list[str]
    ignored_files: list[str]
    n_samples: int
    n_rejects: int
    n_left_out: int
    first_rejects: list[Reject]
    groups: GroupReport
    n_prompts: int
    n_rewards: int
    reward_range: tuple[float, float] | None
    is_binary: bool
    outcome_from: str | None
    n_advantages: int
    notes: list[str]


def make_report(
    found: Found, tally: Tally, groups: GroupReport, prompts: Prompts, spill: Spill, correct_when: str | None
) -> Report:
    """Put together what the first pass counted."""
    return Report(
        **found._asdict(),
        n_samples=tally.n_samples,
        n_rejects=spill.n_rejects,
        n_left_out=tally.n_left_out,
        first_rejects=spill.first_rejects,
        groups=groups,
        n_prompts=prompts.n_kept,
        n_rewards=tally.n_rewards,
        reward_range=_range(tally),
        is_binary=tally.is_binary and tally.n_rewards > 0,
        outcome_from=_outcome_from(correct_when, tally),
        n_advantages=tally.n_advantages - tally.n_unjudged_advantages,
        notes=[*tally.notes, *_notes(tally, prompts)],
    )


def _range(tally: Tally) -> tuple[float, float] | None:
    if tally.lowest_reward is None or tally.highest_reward is None:
        return None
    return tally.lowest_reward, tally.highest_reward


def _outcome_from(correct_when: str | None, tally: Tally) -> str | None:
    if correct_when is not None:
        return f"--correct-when {correct_when}"
    if tally.n_accuracies:
        return "the source's accuracy"
    return "rewards, all 0 or 1" if tally.is_binary and tally.n_rewards else None


def _notes(tally: Tally, prompts: Prompts) -> list[str]:
    notes = []
    if prompts.n_conflicting:
        notes.append(
            f"{prompts.n_conflicting} prompts came with several answers, references, domains or token ids: "
            "the first of each was kept"
        )
    if tally.n_unjudged_advantages:
        notes.append(f"{tally.n_unjudged_advantages} advantages left out: their samples have no reward")
    return notes


def sentences(report: Report, verdicts: str) -> list[str]:
    """Return what a user must know of an import before he trusts it, one sentence a line.

    ``verdicts`` names the table that the outcomes go to.
    """
    groups = report.groups
    sizes = ", ".join(f"{count:,} of {size}" for size, count in list(groups.sizes.items())[:8])
    more = ", ..." if len(groups.sizes) > 8 else ""
    lines = [
        f"format {report.format} ({report.evidence}); {len(report.files)} file(s)",
        f"{groups.n_groups:,} groups ({sizes}{more}) of {report.n_prompts:,} prompts, {report.n_samples:,} samples",
    ]
    if report.ignored_files:
        lines.append(
            f"not read: {', '.join(report.ignored_files[:5])}{' ...' if len(report.ignored_files) > 5 else ''}"
        )
    if groups.inferred_from:
        lines.append(f"{groups.n_inferred:,} groups inferred from {groups.inferred_from}")
    if groups.n_ambiguous:
        first = "; ".join(groups.first_ambiguous)
        lines.append(
            f"warning: {groups.n_ambiguous:,} inferred groups are a multiple of the common size {groups.common_size}: their "
            f"prompt probably came more than once in a step ({first})"
        )
    elif groups.n_odd:
        lines.append(f"{groups.n_odd:,} groups do not have the common size {groups.common_size}")
    lines.append(_outcome_line(report, verdicts))
    lines += report.notes
    lines += [f"rejected {each.file}:{each.line}: {each.reason}" for each in report.first_rejects[:5]]
    return lines


def _outcome_line(report: Report, verdicts: str) -> str:
    if report.outcome_from:
        return f"outcome from {report.outcome_from}: {verdicts}"
    if report.reward_range:
        low, high = report.reward_range
        return (
            f"rewards run from {low:g} to {high:g} and nothing says which are correct: outcome is null; "
            'say it with --correct-when "reward > 0"'
        )
    return "the source holds no rewards: run `curate verify`"
