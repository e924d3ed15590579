"""Stopping rules: a group is sampled on until its outcomes are what was asked for, or it is as large as allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from curate.errors import ConfigError
from curate.records import Outcome

MAX_SAMPLES = 128


@dataclass(frozen=True, slots=True)
class Rule:
    """When to stop sampling a group.

    ``n_initial`` samples are drawn of every group before anybody looks; then ``step`` more at a time until the rule is
    met or the group has ``max_samples``. Whether a sample is drawn after the first ``n_initial`` depends on what came
    before it, so the share of correct samples of the whole group is biased: a pass rate is the share of the first
    ``n_initial`` alone. ``target_correct`` is null for the rule ``mixed``.
    """

    name: Literal["mixed", "target_correct"]
    n_initial: int
    max_samples: int
    step: int
    target_correct: int | None = None

    @property
    def text(self) -> str:
        """What is stored as ``stopping_rule``: ``mixed, at most 128`` or ``4 correct, at most 128``."""
        what = "mixed" if self.target_correct is None else f"{self.target_correct} correct"
        return f"{what}, at most {self.max_samples}"

    @property
    def parameters(self) -> dict[str, str | int | None]:
        """The options that made the rule, for the job record: until or target_correct, and max_samples."""
        name, value = ("until", "mixed") if self.target_correct is None else ("target_correct", self.target_correct)
        return {name: value, "max_samples": self.max_samples}

    def is_met(self, outcomes: Sequence[Outcome | None]) -> bool:
        """Say whether the samples so far are enough: a correct and a wrong one, or as many correct ones as asked for.

        ``incorrect`` and ``unparsable`` are wrong; ``timeout``, ``error`` and null are evidence of neither. No outcome
        at all meets no rule.
        """
        n_correct = sum(outcome == "correct" for outcome in outcomes)
        if self.target_correct is not None:
            return n_correct >= self.target_correct
        return n_correct > 0 and any(outcome in ("incorrect", "unparsable") for outcome in outcomes)

    def n_more(self, outcomes: Sequence[Outcome | None]) -> int:
        """Return how many samples to draw next, given the outcomes of all drawn so far; 0 = the group is finished.

        ``n_initial`` at first, then ``step``, the last step cut to ``max_samples``.
        """
        n_drawn = len(outcomes)
        if n_drawn < self.n_initial:
            return self.n_initial - n_drawn
        return 0 if self.is_met(outcomes) else min(self.step, self.max_samples - n_drawn)


def stopping_rule(
    group_size: int,
    until: str | None = None,
    target_correct: int | None = None,
    max_samples: int | None = None,
    verifier: str | None = None,
    temperature: float = 1.0,
) -> Rule | None:
    """Make the rule that the options of ``curate sample`` ask for; null where they ask for none.

    ``max_samples`` is 128 where it is not given. Raises ConfigError for a rule that cannot be met or cannot be looked
    at: both rules at once, no verifier, ``max_samples`` below the group size or the target, a target below 1, a group
    size of 1 (as many samples of each group train), temperature 0 (every sample of a group is the same); and for
    ``max_samples`` or ``verifier`` without a rule.
    """
    if until is None and target_correct is None:
        _refuse_alone(max_samples, verifier)
        return None
    if until is not None and target_correct is not None:
        raise ConfigError("give either until (--until mixed) or target_correct (--target-correct K), not both")
    if until not in (None, "mixed"):
        raise ConfigError(f"until is {until!r}: the one rule of that kind is mixed (--until mixed)")
    if target_correct is not None and target_correct < 1:
        raise ConfigError(f"target_correct is {target_correct}: give the number of correct samples to reach, from 1")
    if verifier is None:
        raise ConfigError(
            "a stopping rule looks at outcomes: give verifier (--verifier NAME), the one `curate verify` will use"
        )
    if temperature == 0:
        raise ConfigError("temperature 0 draws the same completion every time: a stopping rule needs more than 0")
    if group_size < 2:
        raise ConfigError(
            f"group_size is {group_size}: of a group that a rule drew as many train, and one alone does not"
        )
    most = MAX_SAMPLES if max_samples is None else max_samples
    if most < group_size:
        raise ConfigError(f"max_samples is {most}, fewer than group_size = {group_size}: raise --max-samples")
    if target_correct is not None and target_correct > most:
        raise ConfigError(f"target_correct is {target_correct}, more than max_samples = {most}: raise --max-samples")
    name: Literal["mixed", "target_correct"] = "mixed" if target_correct is None else "target_correct"
    return Rule(name, n_initial=group_size, max_samples=most, step=group_size, target_correct=target_correct)


def _refuse_alone(max_samples: int | None, verifier: str | None) -> None:
    for option, value in (("max_samples", max_samples), ("verifier", verifier)):
        if value is not None:
            raise ConfigError(
                f"{option} belongs to a stopping rule: give --until mixed or --target-correct K too, or leave it out"
            )
