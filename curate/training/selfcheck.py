"""Before the first step: does the model give the log-probs that its own samples were stored with?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError, CurateError
from curate.models.encode import encode_prompt
from curate.stage import read_frame
from curate.training.collate import Collator
from curate.training.drift import Drift
from curate.training.measure import compare, log_probs, mean_apart
from curate.training.policy import Policy
from curate.training.rows import Rows

# Mean |new - stored| in nats a token: float32 gives 1e-4, bfloat16 1e-3, another server's kernels 1e-2.
LIMIT = 0.1
# A policy of low entropy is less than that away from itself at another temperature: from here on others are tried.
SUSPECT = 0.005
TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
N_COMPARED = 64


def refuse_mismatch(
    rows: Rows,
    new: NDArray[np.float32],
    stored: NDArray[np.float32],
    other_heat: Callable[[], object],
    explain: Callable[[], list[str]],
) -> float | None:
    """Return the mean of |new - stored| over the rows that this very model sampled; null where there is none.

    Raises ConfigError above ``LIMIT``, and above ``SUSPECT`` where ``other_heat`` finds a temperature that fits, with what
    ``explain`` finds to differ: stored under another temperature, template, tokenizer or arithmetic, the ratio of the
    first step would already be wrong.
    """
    apart = mean_apart(rows, new, stored, rows.is_own)
    if apart is None or apart <= SUSPECT or (apart <= LIMIT and other_heat() is None):
        return apart
    found = explain() or ["nothing that can be seen in the dataset: another chat template or sampling setting, perhaps"]
    raise ConfigError(
        f"this model sampled these rows (its fingerprint is their policy_version), but its log-probs are {apart:.3f} nats a "
        f"token from the stored ones. What differs:\n"
        + "\n".join(f"  - {each}" for each in found)
        + "\nImport or sample them again with what differs put right, or train with --behaviour recompute"
    )


def staleness(rows: Rows, new: NDArray[np.float32], stored: NDArray[np.float32]) -> Drift:
    """Return how far this model is from the policies of the rows that other ones sampled."""
    return compare(rows, new, stored, ~rows.is_own)


def said(stale: Drift) -> str:
    """Return staleness as a sentence."""
    return (
        f"samples of another policy: this model's log-probs are {stale.mean_log_ratio:+.4f} nats a token from theirs, 99 % of "
        f"tokens within {stale.p99_log_ratio:.3f}; {stale.effective_samples:,.1f} effective of {stale.n_sequences:,} sequences"
    )


def differing(
    data: Dataset,
    samples: TableRef,
    model: Path,
    tokenizer: Callable[[], Any],
    policy: Policy,
    collator: Collator,
    chosen: NDArray[np.int64],
    dtype: str,
    device: Any,
) -> list[str]:
    """Return what differs between how the samples were made and how this run reads them, one sentence each."""
    found = _ids_that_differ(data, samples, model, tokenizer)
    found += _temperature(data, samples, policy, collator, chosen, device)
    stored = getattr(policy.model.config, "dtype", None)
    if stored is not None and str(stored).removeprefix("torch.") != dtype:
        found.append(f"dtype: the checkpoint names {str(stored).removeprefix('torch.')}, this run computes in {dtype}")
    return found


def _ids_that_differ(data: Dataset, samples: TableRef, model: Path, tokenizer: Callable[[], Any]) -> list[str]:
    """Compare stored ids of some prompts and completions with what this tokenizer makes of their text."""
    try:
        words = tokenizer()
    except ConfigError:
        return ["tokenizer: the checkpoint has none to compare the stored ids with"]
    found = []
    prompts = _first(data, TableRef("prompts"), ["prompt", "prompt_format", "prompt_ids"])
    for text, kind, ids in prompts.iter_rows():
        try:
            ours = encode_prompt(words, text, kind, model)
        except CurateError as error:
            return [f"template: {error}"]
        if ours != ids:
            found.append(
                f"prompt ids: stored {_start(ids)}, this tokenizer and template give {_start(ours)} ({text[:40]!r})"
            )
            break
    for text, ids in _first(data, samples, ["completion", "completion_ids"]).iter_rows():
        ours = words.decode(ids, skip_special_tokens=True)
        if ours != text:
            found.append(f"tokenizer: the stored completion {text[:40]!r} has ids that read {ours[:40]!r} here")
            break
    return found


def _first(data: Dataset, ref: TableRef, columns: list[str]) -> pl.DataFrame:
    """Return some rows that have all of these columns, from the first part."""
    return read_frame(data, ref, data.parts(ref)[0], columns).drop_nulls().head(N_COMPARED)


def _start(ids: list[int]) -> str:
    return f"{ids[:8]}" if len(ids) <= 8 else f"{ids[:8]}..."


def other_temperature(
    policy: Policy, collator: Collator, chosen: NDArray[np.int64], device: Any
) -> tuple[float, float] | None:
    """Return the one temperature under which the stored log-probs would be the model's, and how far apart they would be
    (nats a token); null where no temperature brings them to a quarter of what they are apart.
    """
    rows = collator.rows
    chosen = chosen[rows.is_own[chosen]][:N_COMPARED]

    def apart(as_read: Rows) -> float:
        new = log_probs(policy, Collator(as_read), chosen, device)
        return mean_apart(rows, new, rows.behaviour, rows.is_own) or 0.0

    tried = [(apart(replace(rows, temperature=np.full(len(rows), heat, np.float32))), heat) for heat in TEMPERATURES]
    least, best = min(tried)
    return (best, least) if least < min(LIMIT, apart(rows) / 4) else None


def _temperature(
    data: Dataset,
    samples: TableRef,
    policy: Policy,
    collator: Collator,
    chosen: NDArray[np.int64],
    device: Any,
) -> list[str]:
    """Say whether one temperature is the true one."""
    found = other_temperature(policy, collator, chosen, device)
    stored = read_frame(data, samples, data.parts(samples)[0], ["temperature"])["temperature"].unique().to_list()
    known = ", ".join("unknown (taken as 1)" if heat is None else f"{heat:g}" for heat in stored)
    if found:
        best, apart = found
        return [f"temperature: stored as {known}; at {best:g} the log-probs would be {apart:.4f} nats a token apart"]
    return [f"temperature: stored as {known}, so nothing tells that it fits"] if None in stored else []
