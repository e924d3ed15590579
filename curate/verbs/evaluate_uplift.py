"""Uplift rate by rank: the stored samples of a dataset scored by the initial model and by a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from curate.dataset import Dataset, TableRef
    from curate.evaluating import Uplift

SAMPLER = "sampler"


def measure_uplift(folder: Path, model: Path, scorer: str | None, as_: str | None, verifier: str | None) -> Uplift:
    """Score the samples of ``folder`` with ``model`` (where that is not done) and compare with the initial model.

    The initial model's likelihoods are the variant ``scorer``, else ``sampler``, made from the stored log-probs where it
    is missing. Raises ConfigError where verdicts are missing, where both variants are the same one, or where their
    log-probs are of different distributions.
    """
    from curate.dataset import Dataset
    from curate.errors import ConfigError
    from curate.verbs.logprob import default_name, logprob
    from curate.verbs.lookup import find_checkpoint

    data = Dataset(folder)
    data.choose("verdicts", verifier)  # before anything is scored
    checkpoint = find_checkpoint(model)
    trained_name = as_ or default_name(str(checkpoint.resolve()))
    initial_name = scorer or SAMPLER
    if trained_name == initial_name:
        raise ConfigError(
            f"likelihoods/scorer={initial_name} is the initial model's: name the trained one with --as NAME"
        )
    initial = _initial(data, scorer)
    logprob(folder, model=str(checkpoint), as_=as_)
    return uplift_between(data, initial, data.choose("likelihoods", trained_name), verifier)


def uplift_between(data: Dataset, initial: TableRef, trained: TableRef, verifier: str | None = None) -> Uplift:
    """Return the uplift rate by rank between two variants of likelihoods that are there; raises as ``uplift_rows``."""
    from curate.evaluating import uplift_by_rank

    return uplift_by_rank(uplift_rows(data, initial, trained, verifier))


def uplift_rows(data: Dataset, initial: TableRef, trained: TableRef, verifier: str | None = None) -> pl.DataFrame:
    """Return the frame that ``curate.evaluating.uplift_by_rank`` reads.

    Hinted samples are left out, and those drawn after a stopping rule looked: they would make ranks of every length.
    Raises ConfigError as ``measure_uplift`` does, or where a table is stale or unfinished.
    """
    rows = _likelihoods(data, data.choose("verdicts", verifier), initial, trained)
    _refuse_other_distributions(data, initial, rows)
    return rows


def _initial(data: Dataset, scorer: str | None) -> TableRef:
    """Return the initial model's likelihoods; refuses, before the trained model is paid for, where there are none."""
    import polars as pl

    from curate.errors import ConfigError
    from curate.verbs.logprob import logprob

    is_made = scorer is not None or SAMPLER in data.variants("likelihoods")
    frame = data.scan("likelihoods", scorer or SAMPLER) if is_made else data.scan("samples")
    column = "sum_logprob" if is_made else "logprobs"
    if not frame.select(pl.col(column).is_not_null().any()).collect().item():
        where = f"likelihoods/scorer={scorer or SAMPLER}" if is_made else "samples"
        raise ConfigError(f"{data.root}/{where} has no log-probs: {_again(data)}")
    if not is_made:
        logprob(data.root, from_sampler=True)
    return data.choose("likelihoods", scorer or SAMPLER)


def _again(data: Dataset) -> str:
    from curate.console import command

    return f"run `{command('logprob', data.root, model='PATH')}` with the initial checkpoint, and name it with --scorer"


def _likelihoods(data: Dataset, verdicts: TableRef, initial: TableRef, trained: TableRef) -> pl.DataFrame:
    import polars as pl

    from curate.verbs.outcomes import read_beside

    columns = ["group_id", "sample_index", "hinted", "temperature", "top_p", "n_initial"]
    others = [
        (verdicts, {"outcome": "outcome"}),
        (initial, {"sum_logprob": "initial", "logprob_semantics": "initial_semantics"}),
        (trained, {"sum_logprob": "trained", "logprob_semantics": "trained_semantics"}),
    ]
    is_late = (pl.col("sample_index") >= pl.col("n_initial")).fill_null(False)
    rows = pl.concat(read_beside(data, data.choose("samples"), columns, others))
    return rows.filter(~pl.col("hinted") & ~is_late).drop("n_initial")


def _refuse_other_distributions(data: Dataset, initial: TableRef, rows: pl.DataFrame) -> None:
    """Raise ConfigError where the two log-probs of a sample are not of the same kind of distribution."""
    import polars as pl

    from curate.errors import ConfigError

    n_other = rows.filter(
        (pl.col("temperature") != 1) & (pl.col("initial_semantics") != pl.col("trained_semantics"))
    ).height
    if n_other:
        raise ConfigError(
            f"{data.root}/{initial}: {n_other:,} log-probs are not of the sampling temperature: {_again(data)}"
        )
    n_cut = rows.filter(pl.col("top_p") < 1).height
    if n_cut and initial.variant == SAMPLER:
        raise ConfigError(
            f"{data.root}: {n_cut:,} samples were drawn with top_p below 1, which lifts the log-probs that the sampler stored: {_again(data)}"
        )
