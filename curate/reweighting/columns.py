"""The stored columns that recipes may read: where each is, what makes it, and what it looks like. A new one is a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

IMPORT = "curate import PATH --to DIR"
VERIFY = "curate verify DIR --verifier NAME"
LOGPROB = "curate logprob DIR --model PATH"
ANSWERS = "curate logprob DIR --model PATH --verifier NAME"
JUDGE = "curate judge DIR --rule NAME"
BRANCH = "curate branch DIR --local PATH"
TOP_K = "curate sample DIR --local PATH --top-k-logprobs 20"
CANONICAL = "curate judge DIR --rule canonical"
SCORES = "curate judge DIR --server URL --model M --score NAME"

SCORE = "score_"  # score_NAME is judge_scores[NAME]


@dataclass(frozen=True)
class Column:
    """One column: the table that has it, the command that makes it, and ``example``, what sample i of a group may have.

    ``is_shown`` of a column that the diagnostics want too, where its table is read.
    """

    table: str
    command: str
    example: Callable[[int], Any]
    dtype: pl.DataType | type[pl.DataType] = pl.Float64
    is_shown: bool = False


COLUMNS: dict[str, Column] = {
    "reward": Column("verdicts", VERIFY, lambda i: float(i % 2), is_shown=True),
    "outcome": Column("verdicts", VERIFY, lambda i: ("incorrect", "correct")[i % 2], pl.String, is_shown=True),
    "extracted": Column("verdicts", VERIFY, lambda i: ("A", "B", "A,B", "C")[i % 4], pl.String),
    "mean_logprob": Column("likelihoods", LOGPROB, lambda i: -0.5 - i, is_shown=True),
    "sum_logprob": Column("likelihoods", LOGPROB, lambda i: -50.0 - i, is_shown=True),
    "n_tokens": Column("likelihoods", LOGPROB, lambda i: 10.0 + i, is_shown=True),
    "likelihood_rank": Column("likelihoods", LOGPROB, lambda i: i + 1.0, is_shown=True),
    "answer_mean_logprob": Column("likelihoods", ANSWERS, lambda i: -0.1 - i / 4),
    "rts": Column("feedback", JUDGE, lambda i: (i % 10) / 10, is_shown=True),
    "first_error_step": Column("feedback", JUDGE, lambda i: i % 10 + 1.0, is_shown=True),
    "n_steps": Column("feedback", JUDGE, lambda i: 10.0, is_shown=True),
    "diversity": Column("feedback", CANONICAL, lambda i: 0.5, is_shown=True),
    "cluster": Column("feedback", CANONICAL, lambda i: float(i % 2)),
    "prompt_id": Column("samples", IMPORT, lambda i: "p", pl.String),
    "finish_reason": Column("samples", IMPORT, lambda i: "stop", pl.String),
    "n_initial": Column("samples", IMPORT, lambda i: None),
    "n_ids": Column("samples", IMPORT, lambda i: 6),
    "topk_ids": Column("samples", TOP_K, lambda i: [[i, 7]] * 6, pl.List(pl.List(pl.Int32))),
    "topk_logprobs": Column("samples", TOP_K, lambda i: [[-0.5 - i / 8, -1.5]] * 6, pl.List(pl.List(pl.Float64))),
    "logprobs": Column("likelihoods", LOGPROB, lambda i: [-0.5 - i / 8] * 6, pl.List(pl.Float64)),
    "ref_logprobs": Column("reference", LOGPROB, lambda i: [-0.5, -1.0] * 3, pl.List(pl.Float64)),
    "branch_kept": Column("branches", BRANCH, lambda i: [0, 2 + i % 3], pl.List(pl.Int32)),
    "branch_rewards": Column(
        "branches",
        BRANCH,
        lambda i: [[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, float(i % 2), None]],
        pl.List(pl.List(pl.Float64)),
    ),
    "domain": Column("prompts", IMPORT, lambda i: "algebra", pl.String),
    "answer": Column("prompts", IMPORT, lambda i: "A,B", pl.String),
}


def column_of(name: str) -> Column | None:
    """Return what is known of a column, or null for one that no table has; ``score_NAME`` is of any judge."""
    if name.startswith(SCORE):
        return Column("feedback", SCORES, lambda i: (i * 7 % 5) / 4)
    return COLUMNS.get(name)


def dtype_of(name: str) -> pl.DataType:
    """Return the type that a column is read as: text, a list, or float64."""
    known = column_of(name)
    return pl.Float64() if known is None else known.dtype() if isinstance(known.dtype, type) else known.dtype


def is_text(name: str) -> bool:
    """Say whether a column holds text; every other is read as a number."""
    known = column_of(name)
    return known is not None and known.dtype is pl.String
