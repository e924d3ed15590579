"""``rounds = N`` of a job file: sample .. train again and again, each round from the policy that the last one left.

    rounds = 3
    [dataset]
    path = "runs/loop"               # runs/loop/round-01, round-02, round-03
    [prompts]
    source = "countdown"
    n = 64                           # seed, seed + 1, seed + 2: other prompts every round
    [sample]
    local = "countdown-strong"       # from the second round on: the last round's checkpoint
    [verify]
    verifier = "countdown"
    [reweight]
    recipe = "grpo"
    [train]
    model = "countdown-strong"       # likewise
    out = "runs/loop/policy"         # runs/loop/policy/round-01, ...

Every round is a dataset folder of its own. ``prompts`` and ``sample`` get their seed plus the number of rounds before.
Sections of verbs after ``train`` run once, at the end. A KL reference that is not named is the round's own start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curate.console import say
from curate.errors import ConfigError

REPEATED = ("prompts", "sample", "verify", "logprob", "judge", "reweight", "train")
ONCE = ("evaluate", "report")


@dataclass(frozen=True)
class Step:
    """One section of a job, checked: its title, the name of its verb, the verb and its arguments."""

    title: str
    name: str
    verb: Callable[..., Any]
    arguments: dict[str, Any]

    def run(self) -> None:
        say(f"[{self.title}]")
        self.verb(**self.arguments)


def unroll(steps: list[Step], n_rounds: int, folder: Path) -> list[Step]:
    """Return the steps of every round in order, then those that run once.

    ``folder`` is the job's dataset folder. Raises ConfigError where the job has not exactly one ``[sample]`` with
    ``local`` and one ``[train]`` that starts from the same model, or has a section that rounds cannot repeat.
    """
    _refuse_unrollable(steps)
    start = next(step.arguments["model"] for step in steps if step.name == "train")
    out = next(step.arguments["out"] for step in steps if step.name == "train")
    rounds = []
    for number in range(1, n_rounds + 1):
        policy = start if number == 1 else out / round_name(number - 1)
        rounds += [_in_round(s, number, n_rounds, folder, policy) for s in steps if s.name in REPEATED]
    return rounds + [step for step in steps if step.name in ONCE]


def _in_round(step: Step, number: int, n_rounds: int, folder: Path, policy: Path) -> Step:
    changed = dict(step.arguments)
    for key in ("dataset", "to"):
        if key in changed and Path(changed[key]) == folder:
            changed[key] = folder / round_name(number)
    if step.name in ("prompts", "sample"):
        changed["seed"] += number - 1
    if step.name == "sample":
        changed["local"] = policy
    if step.name == "train":
        changed |= {"model": policy, "out": step.arguments["out"] / round_name(number)}
    return replace(step, title=f"round {number} of {n_rounds}: {step.title}", arguments=changed)


def round_name(number: int) -> str:
    return f"round-{number:02d}"


def _refuse_unrollable(steps: list[Step]) -> None:
    names = [step.name for step in steps]
    for name in names:
        if name not in (*REPEATED, *ONCE):
            raise ConfigError(f"rounds repeats {', '.join(REPEATED)}, not [{name}]: run that on a round's folder")
    if names.count("sample") != 1 or names.count("train") != 1:
        raise ConfigError(
            "rounds needs one [sample] and one [train]: each round samples from what the last one trained"
        )
    sample, train = (next(s.arguments for s in steps if s.name == name) for name in ("sample", "train"))
    if sample["local"] is None or Path(sample["local"]) != Path(train["model"]):
        raise ConfigError(
            "rounds samples from the policy it trains: give [sample] local and [train] model the same path"
        )
