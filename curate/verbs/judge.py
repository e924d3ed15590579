"""``curate judge``: samples, verdicts and reference solutions -> feedback, by a rule or by a served model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite, VerifierVariant

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.verbs.connect import Connection
    from curate.verbs.judge_rows import Scope
    from curate.verbs.judge_served import Judging

MAX_REPLY_TOKENS = 1024
STEPS, STRATEGIES = "steps", "strategies"


def judge(
    dataset: DatasetDir,
    rule: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="arithmetic, reference-values or countdown; canonical: strategies."),
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Server of the judge; several share the work.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="Name of the judge on its server.")] = None,
    task: Annotated[
        Literal["steps", "strategies"],
        typer.Option(help="Asked of a served judge: the first wrong step, or which correct samples are the same idea."),
    ] = "steps",
    votes: Annotated[int, typer.Option(min=1, max=64, help="Judgments of each completion; the majority counts.")] = 1,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Steps are: auto, numbered, paragraphs, lines, sentences or countdown.")
    ] = "auto",
    score: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further score from 0 to 10, such as clarity or rigor.")
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=256, help="Tokens that the judge reads and writes; the server's own if not set.")
    ] = None,
    max_reply_tokens: Annotated[
        int, typer.Option(min=16, help="Longest reply; a judge that thinks needs more.")
    ] = MAX_REPLY_TOKENS,
    scope: Annotated[
        Literal["all_wrong", "all"] | None,
        typer.Option(help="Groups to judge: all_wrong, but for strategies all.", show_default=False),
    ] = None,
    verifier: VerifierVariant = None,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure the judge on solutions with labelled steps instead.")
    ] = None,
    reparse: Annotated[
        bool, typer.Option("--reparse", help="Read the kept replies of a variant again; nothing is asked.")
    ] = False,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in flight, at most.")] = 256,
    max_tokens_in_flight: Annotated[int, typer.Option(min=1, help="Tokens in flight, at most.")] = 1_000_000,
    timeout_s: Annotated[float, typer.Option(min=0, help="Longest wait for one reply.")] = 600,
    patience_s: Annotated[float, typer.Option(min=0, help="Longest wait for a server that is away.")] = 600,
    price_in: Annotated[float | None, typer.Option(min=0, help="Dollars per million tokens of prompts.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Dollars per million tokens of replies.")] = None,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
    ] = "CURATE_API_KEY",
    max_failed_share: MaxFailedShare = 0.01,
    json: Annotated[bool, typer.Option("--json", help="With --calibrate: print the figures as JSON.")] = False,
    as_: As = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the first wrong step of each wrong completion, or the strategies of the correct ones: -> feedback."""
    from curate.dataset import Dataset
    from curate.verbs.checks import judge as check_arguments

    how: dict[str, Any] = {
        "max_requests": max_requests,
        "max_tokens_in_flight": max_tokens_in_flight,
        "timeout_s": timeout_s,
        "patience_s": patience_s,
        "price_in": price_in,
        "price_out": price_out,
        "api_key_env": api_key_env,
    }
    check_arguments(
        rule=rule,
        server=server,
        model=model,
        task=task,
        split=split,
        score=score,
        votes=votes,
        context=context,
        max_reply_tokens=max_reply_tokens,
        scope=scope,
        calibrate=calibrate,
        reparse=reparse,
        as_=as_,
        **how,
    )
    data = Dataset(dataset)
    if reparse:
        _read_again(data, model, task, as_, max_failed_share)
    elif rule is not None:
        _by_rule(data, rule, scope, verifier, calibrate, json, as_, max_failed_share, overwrite)
    else:
        from curate.verbs.connect import Connection
        from curate.verbs.judge_served import Judging

        judging = Judging(model or "", votes, split, tuple(score or ()), context, max_reply_tokens)
        connection = Connection(tuple(server or ()), **how)
        _by_server(data, judging, connection, task, scope, verifier, calibrate, json, as_, max_failed_share, overwrite)


def choose_scope(rule: str | None, scope: Scope | None, task: str = STEPS) -> Scope:
    """Return which groups are judged; raises ConfigError for strategies of groups without a success."""
    from curate.errors import ConfigError
    from curate.verbs.lookup import CLUSTERING

    if rule != CLUSTERING and task == STEPS:
        return scope or "all_wrong"
    if scope == "all_wrong":
        asked = f"--rule {rule}" if rule else f"--task {task}"
        raise ConfigError(f"{asked} reads correct completions, and an all-wrong group has none: leave --scope away")
    return "all"


def variant(rule: str | None, model: str | None, task: str, as_: str | None) -> str:
    """Return the name of the variant: as asked for, else the rule's or the model's; raises ConfigError."""
    from curate.dataset import variant_name
    from curate.verbs.judge_served import judge_name

    ending = "" if task == STEPS else f"-{task}"
    return variant_name(as_ or rule or judge_name(model or "") + ending)


def _read_again(data: Dataset, model: str | None, task: str, as_: str | None, max_failed_share: float) -> None:
    from curate.console import say
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.summary import refuse_failures
    from curate.verbs.judge_reparse import reparse

    name = variant(None, model, task, as_) if model or as_ else None
    if name is None:
        records = {each: read_record(data, TableRef("feedback", each)) for each in data.variants("feedback")}
        served = [each for each, record in records.items() if record and "model" in record.parameters]
        if len(served) > 1:
            raise ConfigError(
                f"{data.root} has feedback of several served judges: choose one with --as {' or '.join(served)}"
            )
        name = served[0] if served else None
    ref = data.choose("feedback", name)
    say(reparse(data, ref))
    refuse_failures(data, ref, max_failed_share)


def _by_rule(
    data: Dataset,
    rule: str,
    scope: Scope | None,
    verifier: str | None,
    calibrate: Path | None,
    json: bool,
    as_: str | None,
    max_failed_share: float,
    overwrite: bool,
) -> None:
    from curate.console import say
    from curate.dataset import TableRef
    from curate.stage import run_stage
    from curate.verbs.calibrate import calibrate_rule
    from curate.verbs.judge_rule import rule_stage
    from curate.verbs.judge_strategies import strategies_told
    from curate.verbs.lookup import CLUSTERING

    if calibrate is not None:
        calibrate_rule(data, rule, calibrate, json=json)
        return
    ref = TableRef("feedback", variant(rule, None, STEPS, as_))
    stage = rule_stage(data, ref, rule, choose_scope(rule, scope), verifier, as_)
    say(run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share))
    if rule == CLUSTERING:
        say(strategies_told(data, ref))


def _by_server(
    data: Dataset,
    judging: Judging,
    connection: Connection,
    task: str,
    scope: Scope | None,
    verifier: str | None,
    calibrate: Path | None,
    json: bool,
    as_: str | None,
    max_failed_share: float,
    overwrite: bool,
) -> None:
    from curate.console import say
    from curate.dataset import TableRef
    from curate.fanout import Fanout
    from curate.stage import run_stage
    from curate.verbs.calibrate_served import calibrate_served
    from curate.verbs.judge_served import ServedJob, groups_at_once
    from curate.verbs.judge_strategies import StrategiesJob, strategies_told
    from curate.verbs.judge_told import asked_told

    asks_one_by_one = calibrate is not None or task == STRATEGIES
    at_once = (
        connection.max_requests if asks_one_by_one else groups_at_once(data, connection.max_requests, judging.votes)
    )
    with Fanout(at_once) as fanout:
        if calibrate is not None:
            calibrate_served(data, judging, connection, fanout, calibrate, max_failed_share, json=json)
            return
        ref = TableRef("feedback", variant(None, judging.model, task, as_))
        kind = ServedJob if task == STEPS else StrategiesJob
        chosen = choose_scope(None, scope, task)
        job = kind(data, ref, judging, connection, chosen, verifier, max_failed_share, fanout, overwrite)
        try:
            say(run_stage(data, job.stage(as_), overwrite=overwrite, max_failed_share=max_failed_share))
        finally:
            if job.judge:
                about = strategies_told(data, ref) if task == STRATEGIES else str(job.told)
                asked = asked_told(job.judge.asked, job.client.usage, connection)
                for sentence in filter(None, [asked, about, *job.advice()]):
                    say(sentence)
