"""``curate sample``: prompts -> samples, from served models, a checkpoint in this process or the known solutions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import DatasetDir, MaxFailedShare, Overwrite, VerifierSettings

if TYPE_CHECKING:
    from curate.dataset import Dataset

MAX_NEW_TOKENS = 512


def sample(
    dataset: DatasetDir,
    local: Annotated[Path | None, typer.Option(metavar="PATH", help="Checkpoint to sample from, in process.")] = None,
    server: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Server to sample from; several share the work.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="Name of the model on its server.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder of the served model's tokenizer (its checkpoint's).")
    ] = None,
    api: Annotated[
        Literal["vllm", "sglang", "openai"],
        typer.Option(help="Kind of server; openai: plain chat, text without token ids and log-probs."),
    ] = "vllm",
    reference: Annotated[
        bool, typer.Option("--reference", help="Take the known solutions as samples; how to sample then says nothing.")
    ] = False,
    group_size: Annotated[int, typer.Option(min=1, help="Completions a prompt.")] = 32,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Share of the probability that is sampled from.")] = 1.0,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest completion; 512, or half the model's positions, if not set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the job; each sample's own follows from it.")] = 0,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Type of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch_rows: Annotated[int, typer.Option(min=1, help="Completions that are sampled at one time, at most.")] = 512,
    top_k_logprobs: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="With local: store the K likeliest tokens of each position.")
    ] = None,
    until: Annotated[
        Literal["mixed"] | None,
        typer.Option(help="mixed: draw more, group_size at a time, until a group has a correct and a wrong sample."),
    ] = None,
    target_correct: Annotated[
        int | None, typer.Option(metavar="K", help="Draw more until a group has this many correct samples.")
    ] = None,
    max_samples: Annotated[
        int | None, typer.Option(help="Most samples of a group that draws more; 128 if not set.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Verifier that judges, while sampling, what to draw more of.")
    ] = None,
    verifier_set: VerifierSettings = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in flight, at most.")] = 256,
    max_tokens_in_flight: Annotated[int, typer.Option(min=1, help="Tokens in flight, at most.")] = 1_000_000,
    timeout_s: Annotated[float, typer.Option(min=0, help="Longest wait for one reply.")] = 600,
    patience_s: Annotated[float, typer.Option(min=0, help="Longest wait for a server that is away.")] = 600,
    price_in: Annotated[float | None, typer.Option(min=0, help="Dollars per million tokens of prompts.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Dollars per million sampled tokens.")] = None,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
    ] = "CURATE_API_KEY",
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Sample a group of completions of every prompt: prompts -> samples."""
    from dataclasses import asdict

    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.fanout import Fanout
    from curate.jobrecord import DATASET
    from curate.sampling.completion import Setting
    from curate.sampling.stopping import stopping_rule
    from curate.stage import run_stage
    from curate.verbs.checks import sample as check_arguments
    from curate.verbs.connect import Connection
    from curate.verbs.judging import Choice
    from curate.verbs.lookup import find_checkpoint
    from curate.verbs.sample_local import LocalJob
    from curate.verbs.sample_reference import reference_stage
    from curate.verbs.sample_served import ServedJob, groups_at_once

    more: dict[str, Any] = {
        "until": until,
        "target_correct": target_correct,
        "max_samples": max_samples,
        "verifier": verifier,
    }
    link: dict[str, Any] = {
        "max_requests": max_requests,
        "max_tokens_in_flight": max_tokens_in_flight,
        "timeout_s": timeout_s,
        "patience_s": patience_s,
        "price_in": price_in,
        "price_out": price_out,
        "api_key_env": api_key_env,
    }
    check_arguments(
        local=local,
        server=server,
        model=model,
        tokenizer=tokenizer,
        api=api,
        reference=reference,
        temperature=temperature,
        top_p=top_p,
        group_size=group_size,
        top_k_logprobs=top_k_logprobs,
        verifier_set=verifier_set,
        **more,
        **link,
    )
    data = Dataset(dataset)
    _refuse(data)
    if reference:
        say(run_stage(data, reference_stage(data), overwrite=overwrite, max_failed_share=max_failed_share))
        return
    folder = local or tokenizer
    path = find_checkpoint(folder) if folder else None
    most = max_new_tokens or (default_max_new_tokens(path) if path else MAX_NEW_TOKENS)
    setting = Setting(float(temperature), float(top_p), most)
    rule = stopping_rule(group_size, temperature=setting.temperature, **more)
    given = {"group_size": group_size, **asdict(setting), "seed": seed, **more, "verifier_set": verifier_set}
    choice = Choice.of(verifier, verifier_set) if verifier else None
    if local is None:
        connection = Connection(tuple(server or ()), **link)
        options = {**connection.options(), "model": model, "tokenizer": tokenizer, "api": api}
        fanout = Fanout(groups_at_once(max_requests, group_size))
        served = ServedJob(
            data,
            connection,
            api,
            model or "",
            path,
            setting,
            group_size,
            seed,
            max_failed_share,
            fanout,
            rule,
            choice,
            overwrite,
        )
        served.fill_prompt_ids()
        stage = served.stage(command("sample", DATASET, **options, **given))
        try:
            with fanout, served.opened:  # the fan-out's end closes the bar, which would share a line with what is said
                summary = run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share)
            say(summary)
        finally:
            if served.served:
                say(served.served)
    else:
        assert path
        job = LocalJob(
            data, path, setting, group_size, seed, dtype, device, batch_rows, rule, choice, top_k_logprobs or 0
        )
        again = command(
            "sample", DATASET, local=local, **given, dtype=dtype, batch_rows=batch_rows, top_k_logprobs=top_k_logprobs
        )
        job.fill_prompt_ids(overwrite)
        with job.opened:
            say(run_stage(data, job.stage(again), overwrite=overwrite, max_failed_share=max_failed_share))
        if job.drawn.n_groups:
            say(job.drawn)


def default_max_new_tokens(path: Path) -> int:
    """Return 512, or half the positions of the model in ``path`` where it has fewer than 1,024.

    A folder without a configuration that can be read gives 512: loading the model says what is wrong with it.
    """
    import json

    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        positions = (config.get("text_config") or config).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return MAX_NEW_TOKENS
    return min(MAX_NEW_TOKENS, max(1, positions // 2)) if isinstance(positions, int) else MAX_NEW_TOKENS


def _refuse(data: Dataset) -> None:
    """Raise ConfigError for a dataset without prompts, with a self-test of others, or whose samples were imported."""
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.verbs.self_test import failed_golds

    if not data.parts(data.choose("prompts")):
        raise ConfigError(f"{data.root} has no prompts: run `{data.maker('prompts')}`")
    failed_golds(data)
    record = read_record(data, TableRef("samples"))
    if record and record.verb != "sample":
        raise ConfigError(
            f"the samples of {data.root} came with `{record.command_for(data)}`: sample into a folder of its own, "
            "with prompts from `curate prompts PATH --to DIR`"
        )
