"""How well a judge finds the first wrong step, on solutions whose first wrong step is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from curate.evaluating.intervals import wilson
from curate.records import Judgment


class Judged(NamedTuple):
    """One solution: its first wrong step as labelled, 1-based (null = every step is right), and what the judge said."""

    first_error_step: int | None
    judgment: Judgment
    generator: str | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Counts of a judge's readings of labelled solutions, those with a wrong step and those without.

    ``n_wrong`` = found + misplaced + missed + abstained_wrong; ``n_right`` = cleared + false_alarms + abstained_right.
    An abstention (no judgment) is a failure in both accuracies: a judge must not gain by keeping silent.
    """

    n_wrong: int
    n_found: int
    n_misplaced: int
    n_missed: int
    n_abstained_wrong: int
    n_right: int
    n_cleared: int
    n_false_alarms: int
    n_abstained_right: int

    @property
    def first_error_accuracy(self) -> float | None:
        """Share of the wrong solutions whose first wrong step was named exactly; null without one."""
        return _share(self.n_found, self.n_wrong)

    @property
    def right_accuracy(self) -> float | None:
        """Share of the right solutions in which no error was found; null without one."""
        return _share(self.n_cleared, self.n_right)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the two accuracies, as ProcessBench has it (arXiv 2412.06559); 0 where both are 0."""
        wrong, right = self.first_error_accuracy, self.right_accuracy
        if wrong is None or right is None:
            return None
        return 2 * wrong * right / (wrong + right) if wrong + right else 0.0

    @property
    def missed_share(self) -> float | None:
        """Share of the wrong solutions in which no error was found."""
        return _share(self.n_missed, self.n_wrong)

    @property
    def false_alarm_share(self) -> float | None:
        """Share of the right solutions in which an error was named."""
        return _share(self.n_false_alarms, self.n_right)

    def as_json(self) -> dict[str, Any]:
        """Return the counts, F1, and every share with its 95 % Wilson interval."""
        shares = {
            "first_error_accuracy": (self.n_found, self.n_wrong),
            "right_accuracy": (self.n_cleared, self.n_right),
            "missed_share": (self.n_missed, self.n_wrong),
            "false_alarm_share": (self.n_false_alarms, self.n_right),
            "abstained_share": (self.n_abstained_wrong + self.n_abstained_right, self.n_wrong + self.n_right),
        }
        counts = {name: getattr(self, name) for name in self.__slots__}
        return {**counts, "f1": self.f1, **{name: _interval(*share) for name, share in shares.items()}}


def calibrate(solutions: Sequence[Judged]) -> Calibration:
    """Count how a judge reads labelled solutions. No solution of a kind leaves its shares null."""
    wrong = [s for s in solutions if s.first_error_step is not None]
    right = [s for s in solutions if s.first_error_step is None]
    said_wrong = [s.judgment.first_error_step for s in wrong if s.judgment.error is None]
    said_right = [s.judgment.first_error_step for s in right if s.judgment.error is None]
    n_found = sum(s.judgment.error is None and s.judgment.first_error_step == s.first_error_step for s in wrong)
    n_missed = sum(e is None for e in said_wrong)
    n_cleared = sum(e is None for e in said_right)
    return Calibration(
        n_wrong=len(wrong),
        n_found=n_found,
        n_misplaced=len(said_wrong) - n_found - n_missed,
        n_missed=n_missed,
        n_abstained_wrong=len(wrong) - len(said_wrong),
        n_right=len(right),
        n_cleared=n_cleared,
        n_false_alarms=len(said_right) - n_cleared,
        n_abstained_right=len(right) - len(said_right),
    )


def calibrate_by_generator(solutions: Sequence[Judged]) -> dict[str, Calibration]:
    """Count the same for every generator, by name; {} where fewer than two are named."""
    names = sorted({s.generator for s in solutions if s.generator is not None})
    if len(names) < 2:
        return {}
    return {name: calibrate([s for s in solutions if s.generator == name]) for name in names}


def _share(n: int, of: int) -> float | None:
    return n / of if of else None


def _interval(n: int, of: int) -> dict[str, Any]:
    low, high = wilson(n, of) if of else (None, None)
    return {"value": _share(n, of), "low": low, "high": high, "n": of}
