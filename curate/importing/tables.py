"""One part of an import: the spilled rows of some groups -> the tables prompts, samples, verdicts, advantages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.importing.outcome import Judging

KEYS = ["ordinal", "sample_index", "arrival"]
IS_FIRST = pl.col("sample_index").is_null() | pl.struct("ordinal", "sample_index").is_first_distinct()


def read_rows(path: Path, low: int, high: int, columns: list[str] | None = None) -> pl.DataFrame:
    """Read the rows of groups low <= ordinal < high, groups in order, samples by index, else as they came."""
    rows = pl.scan_parquet(path, glob=False).filter(pl.col("ordinal").is_between(low, high - 1))
    if columns is not None:
        rows = rows.select(columns)
    return rows.sort(KEYS).collect()


def make_part(
    rows: pl.DataFrame,
    prompts: pl.DataFrame,
    ids: NDArray[np.int64],
    low: int,
    judging: Judging,
    schemas: Mapping[str, pa.Schema],
) -> dict[str, pa.Table]:
    """Make the tables of one part of its spilled rows; ``ids`` holds the group_id of each ordinal from ``low`` on."""
    kept = rows.filter(IS_FIRST)
    samples = kept.with_columns(
        group_id=pl.Series(ids, dtype=pl.Int64).gather(kept["ordinal"] - low),
        sample_index=pl.coalesce(pl.col("sample_index"), pl.int_range(pl.len()).over("ordinal")).cast(pl.Int32),
    )
    frames = {"prompts": prompts, "samples": samples}
    judged = samples.with_columns(
        correct=samples.select("reward", "accuracy").with_columns(correct=judging.correct)["correct"]
    )
    if judging.has_verdicts:
        frames["verdicts"] = _verdicts(judged)
    if judging.has_advantages:
        frames["advantages"] = _advantages(judged)
    if judging.has_scores:
        frames["feedback"] = _scores(samples)
    return {table: to_arrow(frame, schemas[table]) for table, frame in frames.items()}


def _verdicts(judged: pl.DataFrame) -> pl.DataFrame:
    outcome = pl.when("correct").then(pl.lit("correct")).when(~pl.col("correct")).then(pl.lit("incorrect"))
    unjudged = pl.when(pl.col("reward").is_null()).then(pl.lit("not judged in the source"))
    return judged.with_columns(outcome=outcome, detail=unjudged)


def _advantages(judged: pl.DataFrame) -> pl.DataFrame:
    """Keep the source's advantages; a row without one is dropped as ``unjudged``, whatever its reward.

    A source does not say why it has no advantage for a rewarded sample, and of the contract's reasons this one claims
    least; it may stand beside a reward.
    """
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


def _scores(samples: pl.DataFrame) -> pl.DataFrame:
    """Keep a search's value and visits of each sample as judge scores, without those that are null."""
    scores = [
        {name: float(value) for name, value in zip(("q", "visits"), known, strict=True) if value is not None} or None
        for known in samples.select("q", "visits").iter_rows()
    ]
    return samples.select(
        "group_id", "sample_index", judge_scores=pl.Series(scores, dtype=pl.Map(pl.String, pl.Float64), strict=False)
    )


def to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Give a frame the columns and types of a table; columns the frame lacks are null."""
    held = frame.select(name for name in schema.names if name in frame.columns)
    columns = held.to_arrow(compat_level=pl.CompatLevel.oldest())
    arrays = [
        columns[field.name].cast(field.type) if field.name in held.columns else pa.nulls(len(frame), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
