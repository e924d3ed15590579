"""What a verb refuses of its arguments alone, for job files: found before anything runs, not when its turn comes.

Each function takes the arguments of the verb of its name and raises ConfigError. Whether a table or variant exists is
not asked here: an earlier section may make it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def verify(verifier: str, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.verbs.lookup import find_verifier

    find_verifier(verifier)
    variant_name(as_ or verifier)


def logprob(model: Path | None, from_sampler: bool, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.errors import ConfigError

    if (model is None) == (not from_sampler):
        raise ConfigError("give either model or from_sampler")
    if model is not None and not model.is_dir():
        raise ConfigError(f"model {model} is not a folder: give the folder of a Hugging Face checkpoint")
    if as_ is not None:
        variant_name(as_)


def judge(rule: str, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.verbs.lookup import find_rule

    find_rule(rule)
    variant_name(as_ or rule)


def reweight(recipe: str, set_: list[str] | None, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.job import split_setting
    from curate.reweighting import build

    build(recipe, dict(split_setting(setting) for setting in set_ or []))
    variant_name(as_ or recipe)


CHECKS: dict[str, Callable[..., None]] = {
    "verify": verify,
    "logprob": logprob,
    "judge": judge,
    "reweight": reweight,
}
