"""One part of an import: the spilled rows of some groups -> the tables prompts, samples, verdicts, advantages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.importing.outcome import Judging

KEY = [("group_id", pa.int64()), ("sample_index", pa.int32())]
SCHEMAS = {
    "prompts": pa.schema(
        [
            ("prompt_id", pa.string()),
            ("prompt", pa.string()),
            ("prompt_format", pa.string()),
            ("prompt_ids", pa.list_(pa.int32())),
            ("answer", pa.string()),
            ("reference", pa.string()),
            ("domain", pa.string()),
            ("source", pa.string()),
            ("source_file", pa.string()),
            ("source_row", pa.int64()),
        ]
    ),
    "samples": pa.schema(
        [
            *KEY,
            ("prompt_id", pa.string()),
            ("completion", pa.string()),
            ("completion_ids", pa.list_(pa.int32())),
            ("logprobs", pa.list_(pa.float32())),
            ("loss_mask", pa.list_(pa.bool_())),
            ("finish_reason", pa.string()),
            ("policy", pa.string()),
            ("policy_version", pa.string()),
            ("temperature", pa.float64()),
            ("top_p", pa.float64()),
            ("seed", pa.int64()),
            ("token_exact", pa.bool_()),
            ("logprob_semantics", pa.string()),
            ("hinted", pa.bool_()),
            ("topk_ids", pa.list_(pa.list_(pa.int32()))),
            ("topk_logprobs", pa.list_(pa.list_(pa.float32()))),
            ("n_initial", pa.int32()),
            ("stopping_rule", pa.string()),
        ]
    ),
    "verdicts": pa.schema(
        [
            *KEY,
            ("outcome", pa.string()),
            ("reward", pa.float64()),
            ("extracted", pa.string()),
            ("detail", pa.string()),
            ("seconds", pa.float64()),
        ]
    ),
    "advantages": pa.schema(
        [
            *KEY,
            ("reward", pa.float64()),
            ("shaped", pa.float64()),
            ("advantage", pa.float64()),
            ("weight", pa.float64()),
            ("token_advantages", pa.list_(pa.float32())),
            ("drop_reason", pa.string()),
            ("group_size", pa.int32()),
            ("n_correct", pa.int32()),
        ]
    ),
}
# Arrow's plain strings and lists hold 2 GiB a chunk: long completions would not fit one chunk a part.
CHUNK_ROWS = 4_096

KEYS = ["ordinal", "sample_index", "arrival"]
IS_FIRST = pl.col("sample_index").is_null() | pl.struct("ordinal", "sample_index").is_first_distinct()


def read_rows(path: Path, low: int, high: int, columns: list[str] | None = None) -> pl.DataFrame:
    """Read the rows of groups low <= ordinal < high, groups in order, samples by index, else as they came."""
    rows = pl.scan_parquet(path).filter(pl.col("ordinal").is_between(low, high - 1))
    if columns is not None:
        rows = rows.select(columns)
    return rows.sort(KEYS).collect()


def make_part(
    rows: pl.DataFrame, prompts: pl.DataFrame, ids: NDArray[np.int64], low: int, judging: Judging
) -> dict[str, pa.Table]:
    """Make the tables of one part of its spilled rows; ``ids`` holds the group_id of each ordinal from ``low`` on."""
    kept = rows.filter(IS_FIRST)
    samples = kept.with_columns(
        group_id=pl.Series(ids, dtype=pl.Int64).gather(kept["ordinal"] - low),
        sample_index=pl.coalesce(pl.col("sample_index"), pl.int_range(pl.len()).over("ordinal")).cast(pl.Int32),
    )
    tables = {"prompts": to_arrow(prompts, "prompts"), "samples": to_arrow(samples, "samples")}
    judged = samples.with_columns(
        correct=samples.select("reward", "accuracy").with_columns(correct=judging.correct)["correct"]
    )
    if judging.has_verdicts:
        tables["verdicts"] = to_arrow(_verdicts(judged), "verdicts")
    if judging.has_advantages:
        tables["advantages"] = to_arrow(_advantages(judged), "advantages")
    return tables


def _verdicts(judged: pl.DataFrame) -> pl.DataFrame:
    outcome = pl.when("correct").then(pl.lit("correct")).when(~pl.col("correct")).then(pl.lit("incorrect"))
    unjudged = pl.when(pl.col("reward").is_null()).then(pl.lit("not judged in the source"))
    return judged.with_columns(outcome=outcome, detail=unjudged)


def _advantages(judged: pl.DataFrame) -> pl.DataFrame:
    # A null reward is not a zero: whatever advantage a trainer made of it, the row does not train.
    kept = judged.with_columns(advantage=pl.when(pl.col("reward").is_not_null()).then("advantage"))
    is_kept = pl.col("advantage").is_not_null()
    n_known = (is_kept & pl.col("correct").is_not_null()).sum().over("ordinal")
    return kept.with_columns(
        weight=pl.when(is_kept).then(1.0),
        drop_reason=pl.when(~is_kept).then(pl.lit("unjudged")),
        group_size=is_kept.sum().over("ordinal"),
        n_correct=pl.when(n_known == is_kept.sum().over("ordinal")).then(
            (is_kept & pl.col("correct")).sum().over("ordinal")
        ),
    )


def to_arrow(frame: pl.DataFrame, table: str) -> pa.Table:
    """Give a frame the columns and types of a table; columns the frame lacks are null."""
    schema = SCHEMAS[table]
    present = frame.select(name for name in schema.names if name in frame.columns)
    chunks = [_chunk(piece, schema) for piece in present.iter_slices(CHUNK_ROWS) if piece.height]
    return pa.concat_tables(chunks) if chunks else schema.empty_table()


def _chunk(piece: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    held = piece.to_arrow(compat_level=pl.CompatLevel.oldest())
    arrays = [
        held[field.name].cast(field.type) if field.name in piece.columns else pa.nulls(piece.height, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
