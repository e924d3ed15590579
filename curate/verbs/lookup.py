"""Verifiers and rule judges by name: the general ones and those of the built-in tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.judging import Rule
    from curate.records import Step
    from curate.verifying import Verifier


def find_verifier(name: str) -> Verifier:
    """Return a verifier; raises ConfigError, which lists the known names, for any other."""
    from curate.tasks import verify as countdown
    from curate.verifying import Verifier, get

    return get(name, also={"countdown": Verifier("countdown", countdown.extract, countdown.compare)})


def find_rule(name: str) -> tuple[Rule, Callable[[str], list[Step]]]:
    """Return a rule and how it splits a completion into steps; raises ConfigError for an unknown name."""
    from curate.judging import get, split
    from curate.tasks import judge as countdown
    from curate.tasks import moves

    rule = get(name, also={"countdown": countdown.first_wrong_step})
    return rule, moves.split if name == "countdown" else split
