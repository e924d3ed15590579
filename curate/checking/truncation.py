"""Samples that were cut at a limit and do not say so."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.checking.finding import Finding, key

FEW_ENDS = 4  # ids that may end a completion
ENOUGH = 8
SHORT = 16  # tokens: where none has more, answers of one length are as likely a cause of a heap as a limit
_DO = "Import or sample again with finish_reason length where a sample was cut: else a cut answer trains as a finished one."


def unflagged_truncation(rows: pl.LazyFrame, limit: int | None) -> Finding | None:
    """Return the samples that have as many tokens as there may be, do not end as others do, and are not flagged.

    ``rows`` has group_id, sample_index, finish_reason, n (tokens) and last (id of the last one); ``limit`` is the job's
    max_new_tokens, null = unknown: then the most tokens there are, where 8 samples have them. Samples end as others do
    where few ids end nine of ten shorter ones. Where they do not, a heap at the limit is all there is to see: a note. So
    it is where the source records no finish_reason at all, and where those at the limit may end in a way of their own: few
    ids end them too, or most of them do end as others: answers of one length are such. Below 16 tokens only the job's own limit and such ends tell.
    """
    unflagged = pl.col("finish_reason").is_null() | (pl.col("finish_reason") == "stop")
    lengths = rows.group_by("n", "finish_reason").len("count").collect(engine="streaming")
    sizes = lengths.group_by("n").agg(pl.col("count").sum()).drop_nulls("n").sort("n")
    if sizes.is_empty():
        return None
    most = int(sizes["n"][-1])
    at_limit = pl.col("n") >= (most if limit is None else limit)
    n_there = int(sizes.filter(at_limit)["count"].sum())
    if n_there == 0 or most < 2 or (limit is None and n_there < ENOUGH):
        return None
    ends = _ends(rows.filter(unflagged & ~at_limit))
    if most < SHORT and (limit is None or not ends):
        return None
    cut = rows.filter(unflagged & at_limit)
    if ends:
        cut = cut.filter(~pl.col("last").is_in(ends))
    elif n_there < max(ENOUGH, 5 * _most_below(sizes, most)):
        return None
    n_unflagged = int(lengths.filter(unflagged & at_limit)["count"].sum())
    found = cut.select("group_id", "sample_index").collect(engine="streaming")
    if found.is_empty():
        return None
    are_recorded = lengths["finish_reason"].null_count() < len(lengths)
    how = (
        f"do not end with a token that ends others ({', '.join(map(str, ends))})"
        if ends
        else "form a heap at that length"
    )
    return Finding(
        "unflagged_truncation",
        "samples",
        f"samples of {most:,} tokens, the most there may be, that {how} and are not marked as truncated",
        len(found),
        int(sizes["count"].sum()),
        "samples",
        key(*found.row(0)),
        _DO,
        is_note=not (ends and are_recorded and 2 * len(found) >= n_unflagged) or bool(_ends(cut)),
    )


def _ends(ended: pl.LazyFrame) -> list[int]:
    """Return the few ids that end nine of ten of these samples; none where they end with any."""
    last: Any = (
        ended.drop_nulls("last")
        .group_by("last")
        .len("count")
        .sort("count", descending=True)
        .collect(engine="streaming")
    )
    total = int(last["count"].sum())
    few = last.head(FEW_ENDS).filter(pl.col("count") * 50 >= total)
    return few["last"].to_list() if total >= ENOUGH and int(few["count"].sum()) * 10 >= 9 * total else []


def _most_below(sizes: pl.DataFrame, most: int) -> int:
    below = sizes.filter(pl.col("n").is_between(most - 8, most - 1))["count"].max()
    return below if isinstance(below, int) else 0
