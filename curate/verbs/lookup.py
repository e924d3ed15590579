"""Verifiers, rule judges and checkpoints by name: the general ones and those of the built-in tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.judging import Rule
    from curate.records import Step
    from curate.verifying import Verifier


def find_verifier(name: str, settings: Mapping[str, Any] | None = None) -> Verifier:
    """Make a verifier from its settings; raises ConfigError, which lists what is known, for another name or setting."""
    from curate.tasks import verify as countdown
    from curate.verifying import Verifier, get

    own = {  # a lambda: annotations of a function made here would be resolved in this module, which imports no verifier
        "countdown": lambda: Verifier("countdown", countdown.extract, countdown.compare, lambda _, reference: reference)
    }
    return get(name, settings, also=own)


def find_rule(name: str) -> tuple[Rule, Callable[[str], list[Step]]]:
    """Return a rule and how it splits a completion into steps; raises ConfigError for an unknown name."""
    from curate.errors import ConfigError
    from curate.judging import get, split
    from curate.tasks import judge as countdown
    from curate.tasks import moves

    try:
        rule = get(name, also={"countdown": countdown.first_wrong_step})
    except ConfigError as error:
        raise ConfigError(f"{error}; for strategies of correct completions: {CLUSTERING}") from None
    return rule, moves.split if name == "countdown" else split


CLUSTERING = "canonical"


def find_clusters(name: str) -> Callable[[Sequence[str], str], list[int | None]] | None:
    """Return the rule that numbers the strategies of a group's solutions, or null for a rule that judges steps."""
    from curate.tasks import strategy

    return strategy.clusters if name == CLUSTERING else None


POLICIES = Path(__file__).parents[1] / "policies"


def find_checkpoint(path: Path) -> Path:
    """Return the folder of a checkpoint: ``path`` itself, or the shipped policy of that name.

    Raises ConfigError where there is neither; whether the folder holds a whole checkpoint is the loader's to say.
    """
    from curate.errors import ConfigError

    if path.is_dir():
        return path
    shipped = sorted(folder.name for folder in POLICIES.iterdir() if folder.is_dir()) if POLICIES.is_dir() else []
    if str(path) in shipped:
        return POLICIES / str(path)
    known = f", or the name of a shipped policy ({', '.join(shipped)})" if shipped else ""
    raise ConfigError(f"{path} is not a folder: give the folder of a Hugging Face checkpoint{known}")
