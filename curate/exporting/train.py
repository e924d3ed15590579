"""Export to the ``train`` contract: one self-contained Parquet file of the kept rows."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curate.contracts import conform, contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.jobrecord import versions
from curate.parts import FOOTER_KEY, ROWS_PER_ROW_GROUP, Footer, read_footer, sync_folder
from curate.stage import read, same_keys
from curate.states import ContentIds

_SAMPLE_COLUMNS = [
    "group_id",
    "sample_index",
    "prompt_id",
    "completion",
    "completion_ids",
    "logprobs",
    "loss_mask",
    "token_exact",
    "hinted",
    "temperature",
    "logprob_semantics",
]

# Without both prompt and completion ids a row is text only, and every column of tokens is null.
HAS_IDS = pl.col("completion_ids").is_not_null() & pl.col("prompt_ids").is_not_null()
IS_RAW = (pl.col("logprob_semantics") == "raw") & (pl.col("temperature") != 1)
ALL_TRAINED = pl.col("completion_ids").list.eval(pl.element().is_not_null())
TRAIN_COLUMNS = [
    pl.col("group_id", "sample_index", "prompt", "completion"),
    pl.when(HAS_IDS).then("prompt_ids").alias("prompt_ids"),
    pl.when(HAS_IDS).then("completion_ids").alias("completion_ids"),
    pl.when(HAS_IDS).then(pl.coalesce("loss_mask", ALL_TRAINED)).alias("loss_mask"),
    pl.when(HAS_IDS & pl.col("token_exact") & ~IS_RAW.fill_null(False)).then("logprobs").alias("old_logprobs"),
    pl.when(HAS_IDS).then("ref_logprobs").alias("ref_logprobs"),
    pl.col("advantage"),
    pl.when(HAS_IDS).then("token_advantages").alias("token_advantages"),
    pl.col("weight"),
]


def write_train(data: Dataset, refs: list[TableRef], out: Path, *, overwrite: bool) -> str:
    """Write the kept rows of samples and advantages (and a scorer's likelihoods) to ``out``; return what was done.

    ``refs`` is samples, advantages and optionally likelihoods. A file that was already made from the same parts is
    left alone. Behaviour log-probs that are raw at a temperature other than 1 are no old_logprobs and are left out,
    counted. Raises ConfigError where ``out`` holds something else or lies in a table, where a kept row is hinted, or
    where the scorer kept no token log-probs; ContractError where a row breaks the contract.
    """
    _refuse_place(data, out)
    ids = ContentIds(data)
    inputs = {str(ref): ids.of_head(ref) for ref in [*refs, TableRef("prompts")]}
    if out.exists() and not overwrite:
        return _keep_existing(out, inputs)
    unfinished = out.with_name(f".{out.name}.unfinished")
    with unfinished.open("ab") as raw:
        _lock(raw, unfinished, out)
        try:
            counts = _write_rows(data, refs, raw, out.name, inputs)
            unfinished.rename(out)
            sync_folder(out.parent)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    return _said(out, counts)


def _refuse_place(data: Dataset, out: Path) -> None:
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder: make it, or give another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder: give the path of a file as --out")
    if data.holds(out):
        raise ConfigError(
            f"{out} lies in a table of the dataset, which holds its finished parts alone: give another --out"
        )


def _lock(raw: BinaryIO, unfinished: Path, out: Path) -> None:
    """Hold the unfinished file against another export to the same path, and empty it of what a killed one left."""
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = unfinished.exists() and unfinished.stat().st_ino == os.fstat(raw.fileno()).st_ino
    except BlockingIOError:
        is_ours = False
    if not is_ours:  # locked, or renamed by its writer since we opened it
        raise ConfigError(f"another process is writing {out}: wait for it to end, or give another --out")
    raw.truncate(0)


def _said(out: Path, counts: dict[str, int]) -> str:
    text_only = f", {counts['text_only']:,} of them as text only" if counts["text_only"] else ""
    raw = (
        f"; {counts['raw']:,} without old_logprobs, as theirs are raw at a temperature other than 1"
        if counts["raw"]
        else ""
    )
    dropped = counts["rows_in"] - counts["rows_out"]
    return (
        f"{out}: {counts['rows_out']:,} rows written{text_only}{raw}; "
        f"{dropped:,} of {counts['rows_in']:,} were dropped by the recipe"
    )


def _keep_existing(out: Path, inputs: dict[str, str]) -> str:
    footer = read_footer(out)
    if footer.inputs == inputs:
        return f"{out}: nothing to do, it was made from these very parts"
    raise ConfigError(f"{out} exists and was made from other parts: give another --out, or replace it with --overwrite")


def _write_rows(
    data: Dataset, refs: list[TableRef], raw: BinaryIO, out_name: str, inputs: dict[str, str]
) -> dict[str, int]:
    rules = contract("train")
    prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_ids").collect()
    counts = {"rows_in": 0, "rows_out": 0, "text_only": 0, "raw": 0}
    with pq.ParquetWriter(raw, rules.schema, compression="zstd") as writer:
        for name in data.parts(refs[0]):
            kept, n_all = _kept_rows(data, refs, name, prompts)
            _refuse_hinted(kept, name)
            frame = kept.select(TRAIN_COLUMNS)
            rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(conform(rules, rows, f"{out_name}, from {name}"), row_group_size=ROWS_PER_ROW_GROUP)
            counts["rows_in"] += n_all
            counts["rows_out"] += len(frame)
            counts["text_only"] += frame["completion_ids"].null_count()
            counts["raw"] += kept.select((IS_RAW & pl.col("logprobs").is_not_null()).sum()).item()
        recipe = read_footer(data.part(refs[1], data.parts(refs[1])[0])).about.get("recipe")
        footer = Footer(rules.hash, "", inputs, versions(), {"counts": counts, "recipe": recipe})
        writer.add_key_value_metadata({FOOTER_KEY: footer.to_bytes()})
    raw.flush()
    os.fsync(raw.fileno())
    return counts


def _refuse_hinted(kept: pl.DataFrame, name: str) -> None:
    n_hinted = kept["hinted"].sum()
    if n_hinted:
        raise ConfigError(
            f"{n_hinted:,} kept samples of {name} were sampled with the answer shown, and would train on the hint: "
            "export a dataset without hinted samples"
        )


def _refuse_raw(scored: pl.DataFrame, ref: TableRef) -> None:
    """Raise ConfigError where reference log-probs would be of another temperature than that of the samples."""
    is_drawn = pl.col("temperature") > 0  # of a greedy sample every log-prob is raw
    n_raw = scored.select((IS_RAW & is_drawn & pl.col("logprobs").is_not_null()).sum()).item()
    if n_raw:
        raise ConfigError(
            f"{n_raw:,} log-probs of {ref} are raw, and their samples were drawn at a temperature other than 1: a reference "
            "for training is of the sampling temperature; score in process with `curate logprob DIR --model PATH`"
        )


def _kept_rows(data: Dataset, refs: list[TableRef], name: str, prompts: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    samples = read(data, refs[0], name, _SAMPLE_COLUMNS)
    columns = ["group_id", "sample_index", "advantage", "token_advantages", "weight"]
    advantages = read(data, refs[1], name, columns)
    same_keys(samples, advantages, f"{refs[1]}/{name}")
    zipped = _frame(samples).with_columns(_frame(advantages.select(columns[2:])))
    if len(refs) > 2:
        columns = ["group_id", "sample_index", "logprobs", "mean_logprob", "logprob_semantics"]
        scored = read(data, refs[2], name, columns)
        same_keys(samples, scored, f"{refs[2]}/{name}")
        _refuse_raw(_frame(scored).with_columns(_frame(samples)["temperature"]), refs[2])
        if scored["logprobs"].null_count > scored["mean_logprob"].null_count:
            raise ConfigError(
                f"{refs[2]} keeps no log-probs of single tokens (those of the sampler are old_logprobs already): "
                "name a scorer that `curate logprob --model` made, or leave --scorer out"
            )
        zipped = zipped.with_columns(_frame(scored)["logprobs"].alias("ref_logprobs"))
    else:
        zipped = zipped.with_columns(ref_logprobs=pl.lit(None, pl.List(pl.Float32)))
    kept = zipped.filter(pl.col("advantage").is_not_null())
    return kept.join(prompts, on="prompt_id", how="left", maintain_order="left"), len(zipped)


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame
