"""Likelihoods from the log-probs that the sampler stored: no model needed."""

from __future__ import annotations

import polars as pl

from curate.errors import ContractError

_LOGPROBS = pl.col("logprobs").cast(pl.List(pl.Float64))
_MASK = pl.col("loss_mask").cast(pl.List(pl.Float64))


def from_sampler(samples: pl.DataFrame) -> pl.DataFrame:
    """Add n_tokens, sum_logprob and mean_logprob (nats) computed from ``logprobs`` and ``loss_mask``.

    n = number of tokens whose mask is true, sum = sum of their log-probs, mean = sum / n, in float64; a null mask
    counts every token. Tokens with a false mask do not count, not even where their log-prob is null. All three are
    null, never 0, where the row has no log-probs, no counted token, or a counted token or mask entry is null. Rows
    keep their order. Raises ContractError where a mask and its log-probs differ in length.
    """
    _check_lengths(samples)
    is_known = _LOGPROBS * 0 + 1
    n_counted = pl.when(_MASK.is_null()).then(_LOGPROBS.list.len()).otherwise(_MASK.list.sum())
    n_known = pl.when(_MASK.is_null()).then(is_known.list.sum()).otherwise((is_known * _MASK).list.sum())
    total = pl.when(_MASK.is_null()).then(_LOGPROBS.list.sum()).otherwise((_LOGPROBS * _MASK).list.sum())
    is_mask_known = ~_MASK.list.contains(None, nulls_equal=True).fill_null(False)
    is_scored = (n_counted > 0) & (n_known == n_counted) & is_mask_known
    return samples.with_columns(
        n_tokens=pl.when(is_scored).then(n_counted).cast(pl.Int32),
        sum_logprob=pl.when(is_scored).then(total),
        mean_logprob=pl.when(is_scored).then(total / n_counted),
    )


def _check_lengths(samples: pl.DataFrame) -> None:
    differs = (_LOGPROBS.list.len() != _MASK.list.len()).fill_null(False)
    rows = samples.select(pl.arg_where(differs)).to_series()
    if len(rows):
        raise ContractError(
            f"loss_mask and logprobs differ in length in {len(rows)} of {len(samples)} samples, first in row {rows[0]}:"
            " a mask needs one entry per token; import the samples again"
        )
