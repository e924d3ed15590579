"""One row a prompt: how many samples it has, how many are correct, how different those are."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from curate.evaluating.passk import chunked_pass_at_k, pass_at_k
from curate.evaluating.strategies import effective_number
from curate.evaluating.votes import maj_at_k

PROMPT, GROUP = "prompt_id", "group_id"
OPTIONAL = pl.Schema(
    {
        "extracted": pl.String,
        "completion": pl.String,
        "cluster": pl.Int32,
        "n_tokens": pl.Int32,
        "n_scored": pl.Int32,
        "sum_logprob": pl.Float64,
        "finish_reason": pl.String,
        "n_initial": pl.Int32,
        "hinted": pl.Boolean,
    }
)
_JUDGED = pl.col("is_correct").is_not_null()
_CORRECT = pl.col("is_correct")


def drawn(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the samples that say something of the policy, and the counts by reason of those that leave.

    Adds the optional columns as null where absent, ``is_correct`` (null = not judged: timeout, error or no outcome)
    and ``solution``: the completion's text, else the extracted answer, white space around it aside. Rows that were not
    judged stay, for length and entropy, and are counted as timeout, error or not_judged.
    """
    present = [name if name in frame.columns else pl.lit(None).alias(name) for name in OPTIONAL]
    outcome = pl.col("outcome").cast(pl.String)
    rows = (
        frame.with_columns(present)
        .cast(OPTIONAL)
        .with_columns(
            is_correct=pl.when(outcome.is_in(["correct", "incorrect", "unparsable"])).then(outcome == "correct"),
            extracted=pl.col("extracted").str.strip_chars().str.replace_all(r"\s+", " "),
            solution=pl.coalesce(pl.col("completion").str.strip_chars(), pl.col("extracted").str.strip_chars()),
        )
    )
    is_hinted = pl.col("hinted").fill_null(False)
    is_late = (pl.col("sample_index") >= pl.col("n_initial")).fill_null(False)
    kept = rows.filter(~is_hinted & ~is_late)
    unjudged = kept.filter(~_JUDGED).select(reason=outcome.fill_null("not_judged"))["reason"].value_counts()
    left_out = {
        "hinted": rows.filter(is_hinted).height,
        "after_stopping_rule": rows.filter(is_late & ~is_hinted).height,
        **dict(sorted(unjudged.iter_rows())),
    }
    return kept, {reason: n for reason, n in left_out.items() if n}


def has_clusters(samples: pl.DataFrame) -> bool:
    """Return whether any correct sample has a strategy cluster."""
    return samples.filter(_CORRECT & pl.col("cluster").is_not_null()).height > 0


def counts(samples: pl.DataFrame) -> dict[str, int]:
    """Return the numbers of prompts, groups and samples, and how many were judged, correct, all wrong."""
    groups = samples.group_by(GROUP).agg(n=_JUDGED.sum(), c=_CORRECT.sum())
    judged = groups.filter(pl.col("n") > 0)
    return {
        "n_prompts": samples[PROMPT].n_unique(),
        "n_groups": groups.height,
        "n_samples": samples.height,
        "n_judged": int(groups["n"].sum()),
        "n_correct": int(groups["c"].sum()),
        "n_groups_judged": judged.height,
        "n_groups_all_wrong": judged.filter(pl.col("c") == 0).height,
    }


def per_prompt(samples: pl.DataFrame, is_clustered: bool) -> pl.DataFrame:
    """Return m, c and the figures of every prompt, in the order the prompts are met.

    - m judged, c correct samples; share_solved: 1 where c > 0, else 0; null where m = 0
    - distinct: different solutions among the correct (0 where none is); strategies: their effective number, null where
      none is correct
    - entropy: -(sum of log-probs) / (sum of tokens), nats a token, a Monte-Carlo estimate of the policy's entropy on
      its own samples (every token weighs the same, so long samples weigh more); n_tokens: mean length;
      share_truncated: finish_reason length, of the samples where it is known
    """
    n_scored = pl.col("n_scored").filter(pl.col("sum_logprob").is_not_null()).sum()
    table = samples.group_by(PROMPT, maintain_order=True).agg(
        n_groups=pl.col(GROUP).n_unique(),
        m=_JUDGED.sum().cast(pl.Int64),
        c=_CORRECT.sum().cast(pl.Int64),
        distinct=pl.col("solution").filter(_CORRECT).drop_nulls().n_unique().cast(pl.Float64),
        n_nameless=pl.col("solution").filter(_CORRECT).null_count(),
        entropy=pl.when(n_scored > 0).then(-pl.col("sum_logprob").sum() / n_scored),
        n_tokens=pl.col("n_tokens").mean(),
        share_truncated=(pl.col("finish_reason").cast(pl.String) == "length").mean(),
    )
    is_judged = pl.col("m") > 0
    return table.join(_strategies(samples, is_clustered), on=PROMPT, how="left", maintain_order="left").with_columns(
        share_solved=pl.when(is_judged).then((pl.col("c") > 0).cast(pl.Float64)),
        distinct=pl.when(is_judged & (pl.col("n_nameless") == 0)).then("distinct"),
    )


def _strategies(samples: pl.DataFrame, is_clustered: bool) -> pl.DataFrame:
    """Return the effective number of strategies of every prompt with a correct sample.

    Clusters are counted among the correct samples of a group; cluster numbers of two groups cannot be matched, so a
    prompt of several groups takes the mean over them. Without clusters, the distinct solution texts among all the
    prompt's correct samples are counted.
    """
    kind, within = ("cluster", [PROMPT, GROUP]) if is_clustered else ("solution", [PROMPT])
    sizes = samples.filter(_CORRECT & pl.col(kind).is_not_null()).group_by(*within, kind, maintain_order=True).len()
    each = sizes.group_by(within, maintain_order=True).agg(strategies=effective_number(pl.col("len")))
    return each.group_by(PROMPT, maintain_order=True).agg(pl.col("strategies").mean())


def pass_column(samples: pl.DataFrame, table: pl.DataFrame, k: int, is_chunked: bool) -> list[float | None]:
    """Return pass@k of every prompt of ``table``; null where k > m."""
    if not is_chunked:
        return [pass_at_k(m, c, k) for m, c in table.select("m", "c").iter_rows()]
    judged = samples.filter(_JUDGED).group_by(PROMPT, maintain_order=True).agg("is_correct")
    outcomes: dict[str, list[bool]] = dict(judged.iter_rows())
    return [chunked_pass_at_k(outcomes.get(prompt, []), k) for prompt in table[PROMPT]]


def maj_column(samples: pl.DataFrame, table: pl.DataFrame, k: int, seed: int) -> list[float | None]:
    """Return maj@k of every prompt of ``table``; null where k > m, and throughout where answers were not recorded.

    The vote is over the extracted answer's text, runs of white space made one: two solutions of a task such as
    countdown, whose answer is the solution, are two answers (``curate evaluate`` spells equal numbers alike). A correct sample
    without an extracted answer shows that the source did not record answers.
    """
    judged = samples.filter(_JUDGED)
    if judged.filter(_CORRECT & pl.col("extracted").is_null()).height or judged["extracted"].null_count() == len(
        judged
    ):
        return [None] * table.height
    answers = (
        judged.drop_nulls("extracted")
        .group_by(PROMPT, "extracted", maintain_order=True)
        .agg(n=pl.len(), credit=_CORRECT.cast(pl.Float64).mean())
        .group_by(PROMPT, maintain_order=True)
        .agg("n", "credit")
    )
    ballots: dict[str, tuple[Any, Any]] = {prompt: (n, credit) for prompt, n, credit in answers.iter_rows()}
    rng = np.random.default_rng([seed, k])
    found = []
    for prompt, m in table.select(PROMPT, "m").iter_rows():
        n, credit = ballots.get(prompt, ((), ()))
        votes = np.array(n, dtype=np.int64)
        found.append(maj_at_k(votes, np.array(credit, dtype=np.float64), m - int(votes.sum()), k, rng))
    return found
