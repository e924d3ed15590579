"""One part of an import: the spilled rows of some groups -> the tables prompts, samples, verdicts, advantages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.importing.outcome import Judging

# Arrow's 32-bit strings hold 2 GiB a chunk, which a part of long completions passes.
TEXT = pa.large_string()
KEY = [("group_id", pa.int64()), ("sample_index", pa.int32())]
SCHEMAS = {
    "prompts": pa.schema(
        [
            ("prompt_id", TEXT),
            ("prompt", TEXT),
            ("prompt_format", TEXT),
            ("prompt_ids", pa.large_list(pa.int32())),
            ("answer", TEXT),
            ("reference", TEXT),
            ("domain", TEXT),
            ("source", TEXT),
            ("source_file", TEXT),
            ("source_row", pa.int64()),
        ]
    ),
    "samples": pa.schema(
        [
            *KEY,
            ("prompt_id", TEXT),
            ("completion", TEXT),
            ("completion_ids", pa.large_list(pa.int32())),
            ("logprobs", pa.large_list(pa.float32())),
            ("loss_mask", pa.large_list(pa.bool_())),
            ("finish_reason", TEXT),
            ("policy", TEXT),
            ("policy_version", TEXT),
            ("temperature", pa.float64()),
            ("top_p", pa.float64()),
            ("seed", pa.int64()),
            ("token_exact", pa.bool_()),
            ("logprob_semantics", TEXT),
            ("hinted", pa.bool_()),
            ("topk_ids", pa.large_list(pa.large_list(pa.int32()))),
            ("topk_logprobs", pa.large_list(pa.large_list(pa.float32()))),
            ("n_initial", pa.int32()),
            ("stopping_rule", TEXT),
        ]
    ),
    "verdicts": pa.schema(
        [
            *KEY,
            ("outcome", TEXT),
            ("reward", pa.float64()),
            ("extracted", TEXT),
            ("detail", TEXT),
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
            ("token_advantages", pa.large_list(pa.float32())),
            ("drop_reason", TEXT),
            ("group_size", pa.int32()),
            ("n_correct", pa.int32()),
        ]
    ),
}
KEYS = ["ordinal", "sample_index", "arrival"]
IS_FIRST = pl.col("sample_index").is_null() | pl.struct("ordinal", "sample_index").is_first_distinct()


def read_rows(path: Path, low: int, high: int, columns: list[str] | None = None) -> pl.DataFrame:
    """Read the rows of groups low <= ordinal < high, groups in order, samples by index, else as they came."""
    rows = pl.scan_parquet(path, glob=False).filter(pl.col("ordinal").is_between(low, high - 1))
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
    held = frame.select(name for name in schema.names if name in frame.columns)
    columns = held.to_arrow(compat_level=pl.CompatLevel.oldest())
    arrays = [
        columns[field.name].cast(field.type) if field.name in held.columns else pa.nulls(len(frame), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
