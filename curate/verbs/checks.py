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


def sample(
    local: Path | None,
    server: list[str] | None,
    model: str | None,
    tokenizer: Path | None,
    api: str,
    reference: bool,
    temperature: float,
    top_p: float,
    group_size: int,
    until: str | None,
    target_correct: int | None,
    max_samples: int | None,
    verifier: str | None,
    verifier_set: list[str] | None = None,
    top_k_logprobs: int | None = None,
    **given: Any,
) -> None:
    from math import isfinite

    from curate.errors import ConfigError
    from curate.sampling.stopping import stopping_rule
    from curate.verbs.lookup import find_checkpoint

    if (local is not None) + bool(server) + reference != 1:
        raise ConfigError(
            "give one of server (--server URL --model M: a served model), local (--local PATH: a checkpoint to sample "
            "from) and reference (--reference: known solutions)"
        )
    _served_model(server, model, tokenizer, api, given)
    if top_k_logprobs is not None and local is None:
        raise ConfigError("top_k_logprobs goes with local (--local PATH): no server is asked for top-k log-probs yet")
    if local is not None:
        find_checkpoint(local)
    if not (isfinite(temperature) and temperature >= 0):
        raise ConfigError(f"temperature is {temperature}: give a number from 0; 1 samples from the model as it is")
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p:g}: give a share above 0, at most 1; 1 samples from every token")
    if reference and (until, target_correct) != (None, None):
        raise ConfigError(
            "known solutions are taken as they are: a stopping rule goes with server or local, not with reference"
        )
    stopping_rule(group_size, until, target_correct, max_samples, verifier, temperature)
    _verifier(verifier, verifier_set)


def _verifier(verifier: str | None, verifier_set: list[str] | None) -> None:
    from curate.errors import ConfigError
    from curate.verbs.judging import Choice

    if verifier is not None:
        assert Choice.of(verifier, verifier_set).verifier
    elif verifier_set:
        raise ConfigError("verifier_set holds settings of a verifier: give --verifier NAME too")


def _served_model(
    server: list[str] | None, model: str | None, tokenizer: Path | None, api: str, given: dict[str, Any]
) -> None:
    from curate.errors import ConfigError
    from curate.verbs.lookup import find_checkpoint

    if not server:
        if model is not None or tokenizer is not None:
            raise ConfigError("model and tokenizer are those of a served model: give --server URL too")
        return
    _connection(server, given)
    if not model:
        raise ConfigError("--server URL needs --model M: the name of the model on its server")
    if (tokenizer is None) != (api == "openai"):
        raise ConfigError(
            f"api {api} takes token ids: give --tokenizer PATH, the folder of the tokenizer that the server uses"
            if tokenizer is None
            else "api openai takes text and gives text: leave --tokenizer away, or sample by vllm or sglang"
        )
    if tokenizer is not None:
        find_checkpoint(tokenizer)


def _connection(server: list[str] | None, given: dict[str, Any]) -> None:
    """Refuse addresses, limits and keys that cannot be; nothing is asked."""
    from dataclasses import fields

    from curate.verbs.connect import Connection

    how = {each.name: given[each.name] for each in fields(Connection) if each.name in given}
    Connection(tuple(server or ()), **how).client()


def verify(
    verifier: str, as_: str | None, set_: list[str] | None, timeout: float | None, memory: int | None, **_: Any
) -> None:
    from math import isfinite

    from curate.dataset import variant_name
    from curate.errors import ConfigError
    from curate.verbs.judging import Choice

    if timeout is not None and not isfinite(timeout):
        raise ConfigError(f"timeout is {timeout}: give the seconds that a comparison may take")
    assert Choice.of(verifier, set_, timeout, memory).verifier
    variant_name(as_ or verifier)


def hint(template: str, **_: Any) -> None:
    from curate.verbs.hinted import check_template

    check_template(template)


def logprob(
    model: str | None,
    from_sampler: bool,
    server: list[str] | None,
    tokenizer: Path | None,
    verifier: str | None,
    as_: str | None,
    **_: Any,
) -> None:
    from curate.dataset import variant_name
    from curate.errors import ConfigError
    from curate.serving.urls import server_urls
    from curate.verbs.lookup import find_checkpoint

    if (model is None) == (not from_sampler):
        wanted = " (with server: the name it serves the model by)" if server else " (--model PATH or --from-sampler)"
        raise ConfigError(f"give either model or from_sampler{wanted}")
    if server and from_sampler:
        raise ConfigError("from_sampler reads stored log-probs: it takes no server")
    if tokenizer is not None:
        find_checkpoint(tokenizer)
    if verifier is not None and tokenizer is None and (server or from_sampler):
        raise ConfigError(
            "verifier has the tokens of each answer scored, and a tokenizer tells which they are: add --tokenizer PATH "
            "(the folder of the model's tokenizer), or leave --verifier away"
        )
    if server:
        server_urls(server)
    elif tokenizer is not None and verifier is None:
        raise ConfigError("tokenizer is that of a served model: give --server URL, or leave --tokenizer away")
    elif tokenizer is not None and model is not None:
        raise ConfigError("a checkpoint has a tokenizer of its own: leave --tokenizer away")
    elif model is not None:
        find_checkpoint(Path(model))
    if as_ is not None:
        variant_name(as_)


def judge(
    rule: str | None,
    server: list[str] | None,
    model: str | None,
    task: str,
    split: str,
    score: list[str] | None,
    votes: int,
    context: int | None,
    max_reply_tokens: int,
    scope: Any,
    calibrate: Path | None,
    reparse: bool,
    as_: str | None,
    **given: Any,
) -> None:
    from curate.errors import ConfigError
    from curate.verbs.calibrate import refuse_calibration
    from curate.verbs.judge import MAX_REPLY_TOKENS, choose_scope, variant
    from curate.verbs.judge_served import Judging
    from curate.verbs.lookup import find_clusters, find_rule

    if reparse:
        if rule is not None or server or calibrate is not None:
            raise ConfigError("--reparse reads replies that are kept: it goes without --rule, --server and --calibrate")
        return
    if (rule is None) == (not server):
        raise ConfigError("give either rule (--rule NAME) or server (--server URL --model M): who judges")
    if rule is None and not model:
        raise ConfigError("--server URL needs --model M: the name of the judge on its server")
    asked = (model, score, task != "steps", votes != 1, split != "auto", context, max_reply_tokens != MAX_REPLY_TOKENS)
    if rule is not None and any(asked):
        raise ConfigError(
            "model, score, task, votes, split, context and max_reply_tokens are for a served judge: leave them away with "
            f"rule {rule}"
        )
    choose_scope(rule, scope, task)
    if rule is None:
        _connection(server, given)
        Judging(model or "", split=split, scores=tuple(score or ())).check()
    elif find_clusters(rule) is None:
        find_rule(rule)
    if calibrate is not None:
        refuse_calibration(calibrate, rule, task)
    variant(rule, model, task, as_)


def branch(
    local: Path | None,
    server: list[str] | None,
    model: str | None,
    tokenizer: Path | None,
    split: str,
    temperature: float | None,
    top_p: float | None,
    as_: str | None,
    **given: Any,
) -> None:
    from math import isfinite

    from curate.errors import ConfigError
    from curate.verbs.branch import name_of
    from curate.verbs.judge_rows import find_split
    from curate.verbs.lookup import find_checkpoint

    if (local is None) == (not server):
        raise ConfigError(
            "give either local (--local PATH: a checkpoint) or server (--server URL --model M): who goes on"
        )
    _served_model(server, model, tokenizer, "vllm", given)
    if local is not None:
        find_checkpoint(local)
    if temperature is not None and not (isfinite(temperature) and temperature > 0):
        raise ConfigError(f"temperature is {temperature}: at 0 all continuations of a place are one; give more than 0")
    if top_p is not None and not 0 < top_p <= 1:
        raise ConfigError(f"top_p is {top_p:g}: give a share above 0, at most 1; 1 samples from every token")
    find_split(split)
    name_of(local, model, as_)


def reweight(
    recipe: str | None,
    gate: list[str] | None,
    shape: list[str] | None,
    estimator: str | None,
    weighting: str | None,
    set_: list[str] | None,
    as_: str | None,
    **_: Any,
) -> None:
    from curate.verbs.reweight import make_recipe, name_of

    make_recipe(recipe, gate, shape, estimator, weighting, set_)
    name_of(recipe, as_)


def pairs(recipe: str, set_: list[str] | None, as_: str | None, **_: Any) -> None:
    from curate.dataset import variant_name
    from curate.job import split_setting
    from curate.verbs.pair_recipes import build

    build(recipe, dict(split_setting(setting) for setting in set_ or []))
    variant_name(as_ or recipe)


def export(format_: str, scorer: str | None, **_: Any) -> None:
    from curate.errors import ConfigError

    if format_ != "train" and scorer is not None:
        raise ConfigError(f"scorer gives ref_logprobs, and format {format_} has none: leave --scorer out")


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
    verifier_set: list[str] | None = None,
    **_: Any,
) -> None:
    from curate.dataset import variant_name
    from curate.errors import ConfigError
    from curate.verbs.evaluate import parse_ks
    from curate.verbs.lookup import find_checkpoint

    ks = parse_ks(k)
    if n is not None and n < ks[-1]:
        raise ConfigError(
            f"n is {n}, fewer than k = {ks[-1]}: draw at least that many, better twice as many, or lower k"
        )
    if prompts is not None:
        _verifier(verifier, verifier_set)
    elif verifier_set:
        raise ConfigError("verifier_set holds settings of the verifier that --prompts runs: give that too")
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
    "hint": hint,
    "logprob": logprob,
    "judge": judge,
    "branch": branch,
    "reweight": reweight,
    "pairs": pairs,
    "export": export,
    "train": train,
    "evaluate": evaluate,
    "report": report,
}
