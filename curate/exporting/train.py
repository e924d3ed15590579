"""Export to the ``train`` contract: one self-contained Parquet file of the kept rows."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curate.contracts import conform, contract
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.jobrecord import versions
from curate.parts import FOOTER_KEY, ROWS_PER_ROW_GROUP, Footer, read_footer, sync_folder
from curate.stage import read, same_keys, variant_lock
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
]


def write_train(data: Dataset, refs: list[TableRef], out: Path, *, overwrite: bool) -> str:
    """Write the kept rows of samples and advantages (and a scorer's likelihoods) to ``out``; return what was done.

    ``refs`` is samples, advantages and optionally likelihoods. A file that was already made from the same parts is
    left alone. Raises ConfigError where ``out`` holds something else, ContractError where a row breaks the contract.
    """
    ids = ContentIds(data)
    sources = [*refs, TableRef("prompts")]
    inputs = {str(ref): ids.of_head(ref, len(data.parts(ref))) for ref in sources}
    if out.exists() and not overwrite:
        return _keep_existing(out, inputs)
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder: make it, or give another --out")
    unfinished = out.with_name(f".{out.name}.unfinished")
    with variant_lock(data, f"export.{out.name}"):
        try:
            counts = _write_rows(data, refs, unfinished, inputs)
            unfinished.rename(out)
            sync_folder(out.parent)
        finally:
            unfinished.unlink(missing_ok=True)
    text_only = f", {counts['text_only']:,} of them as text only" if counts["text_only"] else ""
    dropped = counts["rows_in"] - counts["rows_out"]
    return f"{out}: {counts['rows_out']:,} rows written{text_only}; {dropped:,} of {counts['rows_in']:,} were dropped by the recipe"


def _keep_existing(out: Path, inputs: dict[str, str]) -> str:
    footer = read_footer(out)
    if footer.inputs == inputs:
        return f"{out}: nothing to do, it was made from these very parts"
    raise ConfigError(f"{out} exists and was made from other parts: give another --out, or replace it with --overwrite")


def _write_rows(data: Dataset, refs: list[TableRef], path: Path, inputs: dict[str, str]) -> dict[str, int]:
    rules = contract("train")
    prompts = data.scan("prompts").select("prompt_id", "prompt", "prompt_ids").collect()
    counts = {"rows_in": 0, "rows_out": 0, "text_only": 0}
    with path.open("wb") as raw:
        with pq.ParquetWriter(raw, rules.schema, compression="zstd") as writer:
            for name in data.parts(refs[0]):
                kept, n_all = _kept_rows(data, refs, name, prompts)
                frame = _train_columns(kept)
                rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
                writer.write_table(conform(rules, rows, f"{path.name}, from {name}"), row_group_size=ROWS_PER_ROW_GROUP)
                counts["rows_in"] += n_all
                counts["rows_out"] += len(frame)
                counts["text_only"] += frame["completion_ids"].null_count()
            recipe = read_footer(data.part(refs[1], data.parts(refs[1])[0])).about.get("recipe")
            footer = Footer(rules.hash, "", inputs, versions(), {"counts": counts, "recipe": recipe})
            writer.add_key_value_metadata({FOOTER_KEY: footer.to_bytes()})
        raw.flush()
        os.fsync(raw.fileno())
    return counts


def _kept_rows(data: Dataset, refs: list[TableRef], name: str, prompts: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    samples = read(data, refs[0], name, _SAMPLE_COLUMNS)
    columns = ["group_id", "sample_index", "advantage", "token_advantages", "weight"]
    advantages = read(data, refs[1], name, columns)
    same_keys(samples, advantages, f"{refs[1]}/{name}")
    zipped = _frame(samples).with_columns(_frame(advantages.select(columns[2:])))
    if len(refs) > 2:
        likelihoods = read(data, refs[2], name, ["group_id", "sample_index", "logprobs"])
        same_keys(samples, likelihoods, f"{refs[2]}/{name}")
        zipped = zipped.with_columns(_frame(likelihoods)["logprobs"].alias("ref_logprobs"))
    else:
        zipped = zipped.with_columns(ref_logprobs=pl.lit(None, pl.List(pl.Float32)))
    kept = zipped.filter(pl.col("advantage").is_not_null())
    return kept.join(prompts, on="prompt_id", how="left", maintain_order="left"), len(zipped)


def _train_columns(kept: pl.DataFrame) -> pl.DataFrame:
    """Name and null the columns as the contract wants: without both prompt and completion ids a row is text only."""
    has_ids = pl.col("completion_ids").is_not_null() & pl.col("prompt_ids").is_not_null()
    all_trained = pl.col("completion_ids").list.eval(pl.element().is_not_null())
    is_behaviour = has_ids & pl.col("token_exact")
    return kept.select(
        "group_id",
        "sample_index",
        "prompt",
        "completion",
        pl.when(has_ids).then("prompt_ids").alias("prompt_ids"),
        pl.when(has_ids).then("completion_ids").alias("completion_ids"),
        pl.when(has_ids).then(pl.coalesce("loss_mask", all_trained)).alias("loss_mask"),
        pl.when(is_behaviour).then("logprobs").alias("old_logprobs"),
        pl.when(has_ids).then("ref_logprobs").alias("ref_logprobs"),
        "advantage",
        pl.when(has_ids).then("token_advantages").alias("token_advantages"),
        "weight",
    )


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame
