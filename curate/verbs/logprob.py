"""``curate logprob``: samples -> likelihoods, from the sampler's own log-probs or from a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import As, DatasetDir, MaxFailedShare, Overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.likelihood.model import Scorer
    from curate.stage import Made

GROUPS_A_BATCH = 16


def logprob(
    dataset: DatasetDir,
    model: Annotated[Path | None, typer.Option(metavar="PATH", help="Folder of a Hugging Face checkpoint.")] = None,
    from_sampler: Annotated[bool, typer.Option("--from-sampler", help="Use the log-probs stored in samples.")] = False,
    as_: As = None,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Score how likely each completion is, at the temperature it was sampled at: samples -> likelihoods."""
    from curate.console import command, say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.errors import ConfigError
    from curate.jobrecord import DATASET
    from curate.stage import Stage, run_stage
    from curate.verbs.lookup import find_checkpoint

    if (model is None) == (not from_sampler):
        raise ConfigError("give either --model PATH or --from-sampler")
    data = Dataset(dataset)
    samples = data.choose("samples")
    ref = TableRef("likelihoods", variant_name(as_ or ("sampler" if model is None else default_name(model))))
    if model is None:
        stage = Stage(
            verb="logprob",
            ref=ref,
            inputs=[samples],
            parameters={"from_sampler": True},
            command=command("logprob", DATASET, from_sampler=True, as_=as_),
            make=lambda name, _: _from_sampler(data, samples, name),
        )
    else:
        stage = _model_stage(
            data, samples, ref, find_checkpoint(model), command("logprob", DATASET, model=model, as_=as_)
        )
    summary = run_stage(data, stage, overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)
    if summary.rows_in and summary.dropped.get("no_logprobs") == summary.rows_in:
        say(f"no sample has stored log-probs: score them with `{command('logprob', dataset, model='PATH')}`")


def default_name(model: Path) -> str:
    """Return a variant name made from a checkpoint's folder name."""
    import re

    name = re.sub(r"[^a-z0-9_.-]+", "-", model.resolve().name.lower()).strip("-.")
    return name if name[:1].isalpha() else f"model-{name}"


def checkpoint_files(model: Path) -> dict[str, str]:
    """Return what tells one checkpoint from another: size and hash of both ends of its weights and its configuration."""
    from curate.ids import edges_hash

    names = ("*.safetensors", "*.bin", "config.json", "tokenizer*.json")
    return {path.name: edges_hash(path) for name in names for path in sorted(model.glob(name))}


def _from_sampler(data: Dataset, samples: TableRef, name: str) -> Made:
    """Likelihoods of one part from the log-probs in samples; the list itself stays there, it is not copied."""
    import polars as pl

    from curate.stage import read

    columns = ["group_id", "sample_index", "completion", "completion_ids", "logprobs", "loss_mask", "logprob_semantics"]
    frame = pl.DataFrame(read(data, samples, name, columns))
    return _finish(frame, stored=None)


def _finish(frame: pl.DataFrame, stored: pl.Series | None, failed: dict[str, int] | None = None) -> Made:
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


def _model_stage(data: Dataset, samples: TableRef, ref: TableRef, model: Path, again: str) -> Any:
    from curate.dataset import TableRef
    from curate.stage import Stage

    loaded: dict[str, Any] = {}

    def prepare() -> None:
        from curate.likelihood.model import Scorer

        loaded["scorer"] = Scorer(model)
        prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_format", "prompt_ids").collect()
        loaded["prompts"] = {row["prompt_id"]: row for row in prompts.iter_rows(named=True)}

    def make(name: str, journal: Path) -> Made:
        return _from_model(data, samples, name, journal, loaded["scorer"], loaded["prompts"])

    return Stage(
        verb="logprob",
        ref=ref,
        inputs=[samples],
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
) -> Made:
    """Score one part, some groups at a time; each finished batch of groups is in the journal before it counts."""
    import polars as pl

    from curate.contracts import contract
    from curate.stage import journaled, read

    rules = contract("likelihoods")
    columns = ["group_id", "sample_index", "prompt_id", "completion", "completion_ids", "loss_mask", "temperature"]
    rows = read(data, samples, name, columns)

    def score(batch: list[dict[str, Any]]) -> pa.Table:
        return rules.rows(_scored(batch, scorer, prompts))

    scored = journaled(journal, "likelihoods", _batches(rows), score)
    frame = pl.DataFrame(rows).with_columns(
        pl.Series("logprobs", pl.Series(scored["logprobs"])),
        pl.Series("logprob_semantics", pl.Series(scored["logprob_semantics"])),
    )
    n_null = frame["logprobs"].null_count()
    return _finish(frame, stored=frame["logprobs"], failed={"not_scored": n_null} if n_null else {})


def _batches(rows: pa.Table) -> Iterator[list[dict[str, Any]]]:
    """Yield some whole groups at a time, always cut alike, so that a journal's batches line up after a kill."""
    from itertools import chain, groupby, islice

    records = (row for batch in rows.to_batches(max_chunksize=4096) for row in batch.to_pylist())
    groups = (list(group) for _, group in groupby(records, key=lambda row: row["group_id"]))
    while batch := list(chain.from_iterable(islice(groups, GROUPS_A_BATCH))):
        yield batch


def _scored(batch: list[dict[str, Any]], scorer: Scorer, prompts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Score some rows at their sampling temperature; at 1, labelled raw, where that is unknown or greedy."""
    from curate.console import say

    ids = [_ids(row, scorer, prompts) for row in batch]
    heats = [row["temperature"] or 1.0 for row in batch]
    scores = scorer.score([prompt for prompt, _ in ids], [completion for _, completion in ids], heats)
    for row, score in zip(batch, scores, strict=True):
        if score.error:
            say(f"group {row['group_id']} sample {row['sample_index']} is not scored: {score.error}")
    return {
        "group_id": [row["group_id"] for row in batch],
        "sample_index": [row["sample_index"] for row in batch],
        "logprobs": [score.logprobs for score in scores],
        "logprob_semantics": ["processed" if row["temperature"] else "raw" for row in batch],
    }


def _ids(row: dict[str, Any], scorer: Scorer, prompts: dict[str, dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Return prompt and completion ids: the stored ones where both are known, else the text tokenized.

    Text that cannot be read gives no ids, and so no score.
    """
    from curate.console import say
    from curate.errors import ContractError

    prompt = prompts[row["prompt_id"]]
    if row["completion_ids"] is not None and prompt["prompt_ids"] is not None:
        return prompt["prompt_ids"], row["completion_ids"]
    try:
        encoded = scorer.encode(prompt["prompt"] or "", row["completion"] or "", prompt["prompt_format"])
    except ContractError as error:
        say(error)
        return [], []
    return prompt["prompt_ids"] or encoded[0], row["completion_ids"] or encoded[1]
