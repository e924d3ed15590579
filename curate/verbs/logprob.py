"""``curate logprob``: samples -> likelihoods, from the sampler's own log-probs or from a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite, VerifierVariant

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.likelihood.model import Scorer
    from curate.stage import Made, Stage
    from curate.verbs.logprob_answers import Answers

GROUPS_A_BATCH = 16

# prompt, completion and prompt_format -> the ids of both
Encode = Callable[[str, str, str], tuple[list[int], list[int]]]


def logprob(
    dataset: DatasetDir,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Checkpoint that scores, in process; with --server, the name it is served by."
        ),
    ] = None,
    from_sampler: Annotated[bool, typer.Option("--from-sampler", help="Use the log-probs stored in samples.")] = False,
    server: Annotated[list[str] | None, typer.Option(metavar="URL", help="Server of the model; several share.")] = None,
    api: Annotated[Literal["vllm", "sglang"], typer.Option(help="Kind of server.")] = "vllm",
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Tokenizer of the served model, for samples without token ids and for --verifier."
        ),
    ] = None,
    verifier: VerifierVariant = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests in flight, at most.")] = 256,
    max_tokens_in_flight: Annotated[int, typer.Option(min=1, help="Tokens in flight, at most.")] = 1_000_000,
    timeout_s: Annotated[float, typer.Option(min=0, help="Longest wait for one reply.")] = 600,
    patience_s: Annotated[float, typer.Option(min=0, help="Longest wait for a server that is away.")] = 600,
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
    ] = "CURATE_API_KEY",
    as_: As = None,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Score how likely each completion is: samples -> likelihoods.

    At the temperature it was sampled at; a server scores at 1. With --verifier NAME the answers too, as those verdicts
    extracted them.
    """
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.jobrecord import DATASET
    from curate.stage import run_stage
    from curate.verbs.checks import logprob as check_arguments
    from curate.verbs.logprob_answers import Answers
    from curate.verbs.lookup import find_checkpoint

    check_arguments(
        model=model, from_sampler=from_sampler, server=server, tokenizer=tokenizer, verifier=verifier, as_=as_
    )
    data = Dataset(dataset)
    samples = data.choose("samples")
    path = None if model is None or server else find_checkpoint(Path(model))
    name = "sampler" if model is None else default_name(str(path.resolve()) if path else model)
    ref = TableRef("likelihoods", variant_name(as_ or name))
    answers = Answers(
        data,
        None if verifier is None else data.choose("verdicts", verifier),
        path if tokenizer is None else find_checkpoint(tokenizer),
    )
    if server and model:
        from curate.verbs.connect import Connection
        from curate.verbs.logprob_served import score_served

        connection = Connection(
            tuple(server),
            max_requests=max_requests,
            max_tokens_in_flight=max_tokens_in_flight,
            timeout_s=timeout_s,
            patience_s=patience_s,
            api_key_env=api_key_env,
        )
        score_served(data, samples, ref, model, api, tokenizer, connection, answers, as_, max_failed_share, overwrite)
        return
    given = {"model": model, "from_sampler": from_sampler, "tokenizer": tokenizer, "verifier": verifier, "as_": as_}
    again = command("logprob", DATASET, **given)
    stage = (
        _model_stage(data, samples, ref, path, answers, again)
        if path
        else _sampler_stage(data, samples, ref, answers, again)
    )
    summary = run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)
    answers.say_found(ref)
    if summary.rows_in and summary.dropped.get("no_logprobs") == summary.rows_in:
        say(f"no sample has stored log-probs: score them with `{command('logprob', dataset, model='PATH')}`")


def default_name(model: str) -> str:
    """Return a variant name made from the last part of a checkpoint's path or of a served model's name."""
    import re

    name = re.sub(r"[^a-z0-9_.-]+", "-", model.rstrip("/").rpartition("/")[2].lower()).strip("-.")
    return name if name[:1].isalpha() else f"model-{name}"


def checkpoint_files(model: Path) -> dict[str, str]:
    """Return what tells one checkpoint from another: size and hash of both ends of its weights and its configuration."""
    from curate.ids import edges_hash

    names = ("*.safetensors", "*.bin", "config.json", "tokenizer*.json")
    return {path.name: edges_hash(path) for name in names for path in sorted(model.glob(name))}


def _sampler_stage(data: Dataset, samples: TableRef, ref: TableRef, answers: Answers, again: str) -> Stage:
    from curate.stage import Stage

    return Stage(
        verb="logprob",
        ref=ref,
        inputs=[samples, *answers.inputs],
        parameters={"from_sampler": True, **answers.parameters},
        command=again,
        prepare=answers.prepare,
        make=lambda name, _: _from_sampler(data, samples, name, answers),
    )


def _from_sampler(data: Dataset, samples: TableRef, name: str, answers: Answers) -> Made:
    """Likelihoods of one part from the log-probs in samples; the list itself stays there, it is not copied."""
    import polars as pl

    from curate.stage import read

    columns = ["group_id", "sample_index", "completion", "completion_ids", "logprobs", "loss_mask", "logprob_semantics"]
    rows = read(data, samples, name, columns)
    frame = pl.DataFrame(rows)
    if answers.verdicts is not None:
        batches = answers.beside(rows, name).to_batches(max_chunksize=4096)
        found = [
            answers.mean_logprob(row, row["completion_ids"], row["logprobs"])
            for batch in batches
            for row in batch.to_pylist()
        ]
        frame = frame.with_columns(pl.Series("answer_mean_logprob", found, dtype=pl.Float64))
    return finish(frame, stored=None)


def finish(frame: pl.DataFrame, stored: pl.Series | None, failed: dict[str, int] | None = None) -> Made:
    """Count, sum, share between duplicates and rank; ``stored`` is the list column kept in likelihoods."""
    import polars as pl

    from curate.contracts import contract
    from curate.likelihood import from_sampler, rank
    from curate.stage import Made

    ranked = rank(from_sampler(frame))
    lists = stored if stored is not None else pl.Series([None] * len(ranked), dtype=pl.List(pl.Float32))
    ranked = ranked.with_columns(lists.alias("logprobs"))
    rules = contract("likelihoods")
    columns = {
        c: ranked[c].to_arrow(compat_level=pl.CompatLevel.oldest()) for c in ranked.columns if c in rules.schema.names
    }
    n_null = ranked["mean_logprob"].null_count()
    return Made(rules.rows(columns), dropped={"no_logprobs": n_null} if failed is None else {}, failed=failed or {})


def _model_stage(data: Dataset, samples: TableRef, ref: TableRef, model: Path, answers: Answers, again: str) -> Stage:
    from curate.dataset import TableRef
    from curate.stage import Stage

    loaded: dict[str, Any] = {}

    def prepare() -> None:
        from curate.likelihood.model import Scorer

        answers.prepare()
        loaded["scorer"] = Scorer(model)
        prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_format", "prompt_ids").collect()
        loaded["prompts"] = {row["prompt_id"]: row for row in prompts.iter_rows(named=True)}

    def make(name: str, journal: Path) -> Made:
        return _from_model(data, samples, name, journal, loaded["scorer"], loaded["prompts"], answers)

    return Stage(
        verb="logprob",
        ref=ref,
        inputs=[samples, *answers.inputs],
        lookups=[TableRef("prompts")],
        parameters={"model": model.resolve().name, "files": checkpoint_files(model)},
        command=again,
        prepare=prepare,
        make=make,
    )


def _from_model(
    data: Dataset,
    samples: TableRef,
    name: str,
    journal: Path,
    scorer: Scorer,
    prompts: dict[str, dict[str, Any]],
    answers: Answers,
) -> Made:
    """Score one part, some groups at a time; each finished batch of groups is in the journal before it counts."""
    import polars as pl

    from curate.contracts import contract
    from curate.stage import journaled, read

    rules = contract("likelihoods")
    columns = ["group_id", "sample_index", "prompt_id", "completion", "completion_ids", "loss_mask", "temperature"]
    rows = answers.beside(read(data, samples, name, columns), name)

    def score(batch: list[dict[str, Any]]) -> pa.Table:
        return rules.rows(_scored(batch, scorer, prompts, answers))

    scored = journaled(journal, "likelihoods", _batches(rows), score)
    frame = pl.DataFrame(rows).with_columns(
        pl.Series("logprobs", pl.Series(scored["logprobs"])),
        pl.Series("answer_mean_logprob", pl.Series(scored["answer_mean_logprob"])),
        pl.Series("logprob_semantics", pl.Series(scored["logprob_semantics"])),
    )
    n_null = frame["logprobs"].null_count()
    return finish(frame, stored=frame["logprobs"], failed={"not_scored": n_null} if n_null else {})


def _batches(rows: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """Yield some whole groups at a time, always cut alike, so that a journal's batches line up after a kill."""
    from itertools import chain, groupby, islice

    records = (row for batch in rows.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    groups = (list(group) for _, group in groupby(records, key=lambda row: row["group_id"]))
    while batch := list(chain.from_iterable(islice(groups, GROUPS_A_BATCH))):
        yield batch


def _scored(
    batch: list[dict[str, Any]], scorer: Scorer, prompts: dict[str, dict[str, Any]], answers: Answers
) -> dict[str, Any]:
    """Score some rows at their sampling temperature; at 1, labelled raw, where that is unknown or greedy."""
    from curate.console import say

    ids = [token_ids(row, prompts[row["prompt_id"]], scorer.encode) for row in batch]
    heats = [row["temperature"] or 1.0 for row in batch]
    scores = scorer.score([prompt for prompt, _ in ids], [completion for _, completion in ids], heats)
    for row, score in zip(batch, scores, strict=True):
        if score.error:
            say(f"group {row['group_id']} sample {row['sample_index']} is not scored: {score.error}")
    return {
        "group_id": [row["group_id"] for row in batch],
        "sample_index": [row["sample_index"] for row in batch],
        "logprobs": [score.logprobs for score in scores],
        "answer_mean_logprob": [
            answers.mean_logprob(row, completion, score.logprobs)
            for row, (_, completion), score in zip(batch, ids, scores, strict=True)
        ],
        "logprob_semantics": ["processed" if row["temperature"] else "raw" for row in batch],
    }


def token_ids(row: dict[str, Any], prompt: dict[str, Any], encode: Encode) -> tuple[list[int], list[int]]:
    """Return prompt and completion ids: the stored ones where both are known, else the text tokenized.

    Text that cannot be read gives no ids, and so no score.
    """
    from curate.console import say
    from curate.errors import ContractError

    if row["completion_ids"] is not None and prompt["prompt_ids"] is not None:
        return prompt["prompt_ids"], row["completion_ids"]
    try:
        encoded = encode(prompt["prompt"] or "", row["completion"] or "", prompt["prompt_format"])
    except ContractError as error:
        say(error)
        return [], []
    return prompt["prompt_ids"] or encoded[0], row["completion_ids"] or encoded[1]
