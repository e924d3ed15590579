"""``curate branch``: samples and verdicts -> branches, continuations from the steps of stored completions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite, VerifierVariant

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.sampling.completion import Setting
    from curate.verbs.branch_groups import Plan
    from curate.verbs.judging import Choice

K = 9  # continuations of a place in VinePPO (arXiv 2410.01679)


def branch(
    dataset: DatasetDir,
    local: Annotated[Path | None, typer.Option(metavar="PATH", help="Checkpoint that goes on, in process.")] = None,
    server: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Server that goes on; several share the work.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="Name of the model on its server.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder of the served model's tokenizer (its checkpoint's).")
    ] = None,
    api: Annotated[Literal["vllm", "sglang"], typer.Option(help="Kind of server.")] = "vllm",
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Steps are: lines, numbered, paragraphs, sentences, auto or countdown.")
    ] = "lines",
    positions: Annotated[
        int | None, typer.Option(min=1, metavar="M", help="Cut at so many random tokens instead of at steps.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, max=1024, help="Continuations from each place.")] = K,
    scope: Annotated[
        Literal["mixed", "not_all_correct", "all"], typer.Option(help="Groups to branch, by their outcomes.")
    ] = "mixed",
    verifier: VerifierVariant = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="The samples' own if not set.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, help="The samples' own if not set.")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest completion, kept tokens counted; as sampled if not set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the job; each continuation's own follows from it.")] = 0,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Type of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch_rows: Annotated[int, typer.Option(min=1, help="Continuations sampled at one time, at most.")] = 512,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in flight, at most.")] = 256,
    max_tokens_in_flight: Annotated[int, typer.Option(min=1, help="Tokens in flight, at most.")] = 1_000_000,
    timeout_s: Annotated[float, typer.Option(min=0, help="Longest wait for one reply.")] = 600,
    patience_s: Annotated[float, typer.Option(min=0, help="Longest wait for a server that is away.")] = 600,
    price_in: Annotated[float | None, typer.Option(min=0, help="Dollars per million tokens of prompts.")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="Dollars per million sampled tokens.")] = None,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
    ] = "CURATE_API_KEY",
    as_: As = None,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Sample continuations from the steps of stored completions, and judge them: -> branches, for step credit."""
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef
    from curate.fanout import Fanout
    from curate.jobrecord import DATASET
    from curate.stage import run_stage
    from curate.verbs.branch_groups import Plan
    from curate.verbs.branch_local import LocalBranches
    from curate.verbs.branch_served import ServedBranches, groups_at_once
    from curate.verbs.checks import branch as check_arguments
    from curate.verbs.connect import Connection
    from curate.verbs.lookup import find_checkpoint

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
        split=split,
        temperature=temperature,
        top_p=top_p,
        as_=as_,
        **link,
    )
    data = Dataset(dataset)
    path = find_checkpoint(local or tokenizer or Path())
    verdicts = data.choose("verdicts", verifier)
    setting = _setting(data, path, temperature, top_p, max_new_tokens)
    plan = Plan(split, positions, n, scope, setting, seed, _verifier(data, verdicts))
    ref = TableRef("branches", name_of(local, model, as_))
    _warn(data, path)
    given = _given(plan) | {"verifier": verdicts.variant, "as_": as_}
    if local is not None:
        job = LocalBranches(
            data, ref, verdicts, plan, path, overwrite, dtype=dtype, device=device, batch_rows=batch_rows
        )
        again = command("branch", DATASET, local=local, **given, dtype=dtype, batch_rows=batch_rows)
        with job.opened:
            summary = run_stage(data, job.stage(again), overwrite=overwrite, max_failed_share=max_failed_share)
        say(summary)
        if summary.parts_made:
            say(job)
        return
    connection = Connection(tuple(server or ()), **link)
    again = command("branch", DATASET, **connection.options(), model=model, tokenizer=tokenizer, api=api, **given)
    with Fanout(groups_at_once(max_requests)) as fanout:
        served = ServedBranches(
            data,
            ref,
            verdicts,
            plan,
            path,
            overwrite,
            connection=connection,
            fanout=fanout,
            api=api,
            model=model or "",
            max_failed_share=max_failed_share,
        )
        try:
            with served.opened:
                say(run_stage(data, served.stage(again), overwrite=overwrite, max_failed_share=max_failed_share))
        finally:
            if served.told:
                say(served)
                say(served.asked_told())


def name_of(local: Path | None, model: str | None, as_: str | None) -> str:
    """Return the variant's name: as asked for, else the checkpoint's or the served model's; raises ConfigError."""
    from curate.dataset import variant_name
    from curate.verbs.logprob import default_name

    return variant_name(as_ or default_name(str(local.resolve()) if local else model or ""))


def _given(plan: Plan) -> dict[str, Any]:
    """Return the options that the plan was made of, with the values that were found where none was given."""
    from dataclasses import asdict

    cut = {"split": plan.split} if plan.positions is None else {"positions": plan.positions}
    return cut | {"n": plan.n, "scope": plan.scope, "seed": plan.seed} | asdict(plan.setting)


def _verifier(data: Dataset, verdicts: TableRef) -> Choice:
    """Return the verifier that made the verdicts: it judges the continuations too."""
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.verbs.judging import Choice

    record = read_record(data, verdicts)
    if record is None or record.verb != "verify":
        raise ConfigError(
            f"{data.root}/{verdicts} came from elsewhere, so that nobody can judge continuations alike: "
            f"run `{data.maker('verdicts')} --as mine`, then this command again with --verifier mine"
        )
    return Choice.recorded(record)


def _setting(
    data: Dataset, path: Path, temperature: float | None, top_p: float | None, max_new_tokens: int | None
) -> Setting:
    """Return how continuations are drawn: as the samples were, unless said otherwise; raises ConfigError where unclear.

    A value that the samples do not have on record counts as 1.
    """
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.sampling.completion import Setting
    from curate.verbs.sample import default_max_new_tokens

    found = {"temperature": temperature, "top_p": top_p}
    stored = data.scan("samples").select(*found).unique().collect()
    for name in [name for name, value in found.items() if value is None]:
        values = sorted({1.0 if value is None else value for value in stored[name]})
        if len(values) > 1 or values == [0.0]:
            option = f"--{name.replace('_', '-')}"
            listed = ", ".join(f"{value:g}" for value in values)
            raise ConfigError(
                f"the samples of {data.root} have {name} {listed}: say at which to go on, with {option} (above 0)"
            )
        found[name] = values[0] if values else 1.0
    record = read_record(data, TableRef("samples"))
    known = record.parameters.get("max_new_tokens") if record else None
    most = max_new_tokens or known or default_max_new_tokens(path)
    return Setting(float(found["temperature"] or 0), float(found["top_p"] or 0), int(most))


def _warn(data: Dataset, path: Path) -> None:
    """Say where the policy that goes on is not the one that sampled: the values are then its own, not the sampler's."""
    from curate.console import say
    from curate.models.fingerprint import fingerprint

    if not (any(path.glob("*.safetensors")) or any(path.glob("*.bin"))):
        return
    versions = set(data.scan("samples").select("policy_version").unique().collect()["policy_version"]) - {None}
    if versions and versions != {fingerprint(path)}:
        say(
            f"the samples of {data.root} come from another policy than {path}: the values will be those of {path.name}, "
            "not of the policy that sampled"
        )
