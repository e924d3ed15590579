"""What a verb refuses of its arguments alone, for job files: found before anything runs, not when its turn comes.

Each function takes the arguments of the verb of its name and raises ConfigError. Whether a table or variant exists is
not asked here: an earlier section may make it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def prompts(
    source: str,
    n: int | None,
    split: str | None,
    numbers: int | None,
    highest: int | None,
    prompt_column: str | None,
    answer_column: str | None,
    reference_column: str | None,
    domain_column: str | None,
    id_column: str | None,
    **_: Any,
) -> None:
    from curate.verbs.prompts import check_source, named_columns

    columns = named_columns(prompt_column, answer_column, reference_column, domain_column, id_column)
    check_source(source, n, {"split": split, "numbers": numbers, "highest": highest}, columns)


def sample(local: Path | None, reference: bool, temperature: float, top_p: float, **_: Any) -> None:
    from math import isfinite

    from curate.errors import ConfigError
    from curate.verbs.lookup import find_checkpoint

    if (local is None) == (not reference):
        raise ConfigError("give either local (--local PATH: a checkpoint to sample from) or reference (--reference)")
    if local is not None:
        find_checkpoint(local)
    if not (isfinite(temperature) and temperature >= 0):
        raise ConfigError(f"temperature is {temperature}: give a number from 0; 1 samples from the model as it is")
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p:g}: give a share above 0, at most 1; 1 samples from every token")


def verify(verifier: str, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.verbs.lookup import find_verifier

    find_verifier(verifier)
    variant_name(as_ or verifier)


def logprob(model: Path | None, from_sampler: bool, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.errors import ConfigError
    from curate.verbs.lookup import find_checkpoint

    if (model is None) == (not from_sampler):
        raise ConfigError("give either model or from_sampler")
    if model is not None:
        find_checkpoint(model)
    if as_ is not None:
        variant_name(as_)


def judge(rule: str, scope: Any, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.verbs.judge import choose_scope
    from curate.verbs.lookup import find_clusters, find_rule

    choose_scope(rule, scope)
    if find_clusters(rule) is None:
        find_rule(rule)
    variant_name(as_ or rule)


def reweight(recipe: str, set_: list[str] | None, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.job import split_setting
    from curate.reweighting import build

    build(recipe, dict(split_setting(setting) for setting in set_ or []))
    variant_name(as_ or recipe)


def train(model: Path, ref_model: Path | None, **given: Any) -> None:
    from curate.verbs.lookup import find_checkpoint
    from curate.verbs.train import settings

    find_checkpoint(model)
    settings(ref_model=ref_model, **given)


def evaluate(
    datasets: list[Path] | None,
    k: list[str] | None,
    model: Path | None,
    prompts: Path | None,
    to: Path | None,
    uplift: Path | None,
    scorer: str | None,
    as_: str | None,
    n: int | None,
    verifier: str | None,
    **_: Any,
) -> None:
    from curate.dataset import variant_name
    from curate.errors import ConfigError
    from curate.verbs.evaluate import parse_ks
    from curate.verbs.lookup import find_checkpoint, find_verifier

    ks = parse_ks(k)
    if n is not None and n < ks[-1]:
        raise ConfigError(
            f"n is {n}, fewer than k = {ks[-1]}: draw at least that many, better twice as many, or lower k"
        )
    if prompts is not None and verifier is not None:
        find_verifier(verifier)
    if (prompts is None) != (to is None):
        raise ConfigError("prompts and to go together: --prompts DIR says what is asked, --to DIR where the answers go")
    if model is None and (prompts is not None or uplift is not None):
        raise ConfigError(
            "give --model PATH: the checkpoint that answers the prompts, or scores the samples of --uplift"
        )
    if model is not None and prompts is None and uplift is None:
        raise ConfigError("say what --model is for: --prompts DIR --to DIR to sample from it, or --uplift DIR")
    if not datasets and model is None:
        raise ConfigError("give one or more datasets, or --model PATH --prompts DIR --to DIR")
    folders = [folder.resolve() for folder in [*(datasets or []), *([to] if to else [])]]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise ConfigError(f"{folder} is given twice")
    if uplift is None and scorer is not None:
        raise ConfigError("--scorer names the initial model's likelihoods for --uplift DIR: give that too")
    # a section [evaluate.NAME] of a job gives as = NAME whether or not it asks for uplift
    for name in (scorer, as_):
        if name is not None and uplift is not None:
            variant_name(name)
    if model is not None:
        find_checkpoint(model)


def report(datasets: list[Path], k: list[str] | None, **_: Any) -> None:
    from curate.verbs.evaluate import parse_ks
    from curate.verbs.report_folders import labels

    parse_ks(k)
    labels(datasets)


CHECKS: dict[str, Callable[..., None]] = {
    "prompts": prompts,
    "sample": sample,
    "verify": verify,
    "logprob": logprob,
    "judge": judge,
    "reweight": reweight,
    "train": train,
    "evaluate": evaluate,
    "report": report,
}
