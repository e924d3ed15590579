"""Export to the ``train`` contract: one self-contained Parquet file of the kept rows."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow.parquet as pq

from curate.contracts import conform, contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.exporting.rows import INSTEAD, KEY, beside, recipe_of
from curate.exporting.whole import nothing_to_do, write_whole
from curate.jobrecord import versions
from curate.parts import FOOTER_KEY, ROWS_PER_ROW_GROUP, Footer
from curate.stage import read_frame, refuse_hinted

_SAMPLE_COLUMNS = [
    *KEY,
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

    def write(raw: BinaryIO, inputs: dict[str, str]) -> Footer:
        return _write_rows(data, refs, raw, out.name, inputs)

    footer = write_whole(data, refs, out, "train", write, overwrite=overwrite)
    return _said(out, footer.about["counts"]) if footer else nothing_to_do(out)


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


def _write_rows(data: Dataset, refs: list[TableRef], raw: BinaryIO, out_name: str, inputs: dict[str, str]) -> Footer:
    rules = contract("train")
    prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_ids").collect()
    counts = {"rows_in": 0, "rows_out": 0, "text_only": 0, "raw": 0}
    with pq.ParquetWriter(raw, rules.schema, compression="zstd") as writer:
        for name in data.parts(refs[0]):
            kept, n_all = _kept_rows(data, refs, name, prompts)
            refuse_hinted(kept, name, INSTEAD)
            frame = kept.select(TRAIN_COLUMNS)
            rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer.write_table(conform(rules, rows, f"{out_name}, from {name}"), row_group_size=ROWS_PER_ROW_GROUP)
            counts["rows_in"] += n_all
            counts["rows_out"] += len(frame)
            counts["text_only"] += frame["completion_ids"].null_count()
            counts["raw"] += kept.select((IS_RAW & pl.col("logprobs").is_not_null()).sum()).item()
        about = {"format": "train", "counts": counts, "recipe": recipe_of(data, refs[1])}
        footer = Footer(rules.hash, "", inputs, versions(), about)
        writer.add_key_value_metadata({FOOTER_KEY: footer.to_bytes()})
    return footer


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
    rows = read_frame(data, refs[0], name, _SAMPLE_COLUMNS)
    rows = rows.with_columns(beside(data, rows, refs[1], name, ["advantage", "token_advantages", "weight"]))
    if len(refs) > 2:
        scored = beside(data, rows, refs[2], name, ["logprobs", "mean_logprob", "logprob_semantics"])
        _refuse_raw(scored.with_columns(rows["temperature"]), refs[2])
        if scored["logprobs"].null_count() > scored["mean_logprob"].null_count():
            raise ConfigError(
                f"{refs[2]} keeps no log-probs of single tokens (those of the sampler are old_logprobs already): "
                "name a scorer that `curate logprob --model` made, or leave --scorer out"
            )
        rows = rows.with_columns(scored["logprobs"].alias("ref_logprobs"))
    else:
        rows = rows.with_columns(ref_logprobs=pl.lit(None, pl.List(pl.Float32)))
    kept = rows.filter(pl.col("advantage").is_not_null())
    return kept.join(prompts, on="prompt_id", how="left", maintain_order="left"), len(rows)
