"""Step judges that are programs: each names the first wrong step of a completion, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from curate.errors import ConfigError, did_you_mean
from curate.judging.arithmetic import read_number
from curate.judging.equations import equations, results
from curate.judging.splitter import final_answer
from curate.records import Judgment, Step

Rule = Callable[[str, str | None, Sequence[Step]], Judgment]


def arithmetic(problem: str, reference: str | None, steps: Sequence[Step]) -> Judgment:
    """Call a step wrong at the first calculation in it that does not hold.

    Reads calculator annotations and plain equations (``curate.judging.equations``), and needs no reference. It sees
    slips of arithmetic only: a wrong plan, correctly computed, has no error here. What it cannot evaluate (names,
    units, a division by 0) is passed over. No wrong calculation: first_error_step null. No steps: an error.
    """
    if not steps:
        return Judgment(error="no steps")
    for number, step in enumerate(steps, start=1):
        if any(not equation.holds for equation in equations(step.text)):
            return Judgment(first_error_step=number)
    return Judgment()


def reference_values(problem: str, reference: str | None, steps: Sequence[Step]) -> Judgment:
    """Call a step wrong at the first result in it that the reference solution never reaches.

    Results are those of calculator annotations, in a step without any those of plain equations; the reference's final
    answer counts as one of its results. Values are equal when they agree to nine decimals (annotations carry the noise
    of double precision).

    A heuristic, ours, with known failures: a right step on another path than the reference's is called wrong; a value
    that the reference reaches for another reason is called right; a wrong step that computes nothing, such as a wrong
    final answer after right results, is missed. No result outside the reference: first_error_step null. No reference,
    a reference without results, or no steps: an error.
    """
    if not steps:
        return Judgment(error="no steps")
    if reference is None:
        return Judgment(error="no reference solution")
    reached = _values_reached(reference)
    if not reached:
        return Judgment(error="the reference solution computes nothing")
    for number, step in enumerate(steps, start=1):
        if any(_rounded(value) not in reached for value in results(step.text)):
            return Judgment(first_error_step=number)
    return Judgment()


RULES: dict[str, Rule] = {"arithmetic": arithmetic, "reference-values": reference_values}


def get(name: str, also: Mapping[str, Rule] | None = None) -> Rule:
    """Look a rule up by name, here and in ``also``; raises ConfigError, which lists the known names, for any other."""
    known = {**RULES, **(also or {})}
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    raise ConfigError(f"no judging rule is called {name!r}{hint}; known: {', '.join(sorted(known))}")


def _values_reached(reference: str) -> set[Fraction]:
    """Return the results of a reference solution and its final answer; empty where it computes nothing."""
    values = [value for line in reference.split("\n") for value in results(line)]
    answer = read_number(final_answer(reference) or "")
    if values and answer:
        values.append(answer[0])
    return {_rounded(value) for value in values}


def _rounded(value: Fraction) -> Fraction:
    return round(value, 9)
