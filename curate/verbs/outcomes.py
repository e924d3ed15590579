"""The samples of a dataset with their verdicts, one row a sample: what evaluation and report read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from curate.dataset import Dataset, TableRef

KEY = ["group_id", "sample_index"]
SAMPLES = [
    *KEY,
    "prompt_id",
    "completion",
    "completion_ids",
    "logprobs",
    "loss_mask",
    "logprob_semantics",
    "finish_reason",
    "policy",
    "policy_version",
    "temperature",
    "top_p",
    "n_initial",
    "hinted",
]
CLUSTERS = "canonical"


def read_outcomes(data: Dataset, verifier: str | None = None, judge: str | None = None) -> pl.DataFrame:
    """Return the frame that ``curate.evaluating.evaluate_frame`` reads, and policy beside it, in stored order.

    Clusters are those of the judge named, else of the variant ``canonical`` where there is one. The completion's text
    is kept of correct samples alone; where only its token ids are known they stand for it. Extracted answers that are
    equal numbers are spelt alike. Raises ConfigError where
    verdicts or the feedback asked for are missing, unclear, unfinished or stale.
    """
    import polars as pl

    samples = data.choose("samples")
    others = [(data.choose("verdicts", verifier), {"outcome": "outcome", "extracted": "extracted"})]
    if judge is not None or CLUSTERS in data.variants("feedback"):
        others.append((data.choose("feedback", judge or CLUSTERS), {"cluster": "cluster"}))
    return pl.concat(_slim(part) for part in read_beside(data, samples, SAMPLES, others))


def read_beside(
    data: Dataset, samples: TableRef, columns: list[str], others: list[tuple[TableRef, dict[str, str]]]
) -> Iterator[pl.DataFrame]:
    """Yield every part of samples with columns of other tables beside it, under new names (``{column: new name}``).

    Raises ConfigError, with the command to run, where there are no samples, or where a table is stale or unfinished.
    """
    from curate.errors import ConfigError
    from curate.stage import progress, read_frame, same_keys

    names = data.parts(samples)
    if not names:
        raise ConfigError(f"{data.root} has no samples: run `{data.maker('samples')}`")
    _refuse_unfinished(data, samples, [ref for ref, _ in others])
    with progress(len(names), "read") as bar:
        for name in names:
            frame = read_frame(data, samples, name, columns)
            for ref, wanted in others:
                other = read_frame(data, ref, name, [*KEY, *wanted])
                same_keys(frame, other, f"{data.root}/{ref}/{name}")
                frame = frame.with_columns(other.select(*wanted).rename(wanted).get_columns())
            bar.update()
            yield frame


def _refuse_unfinished(data: Dataset, samples: TableRef, others: list[TableRef]) -> None:
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.stage import refuse_stale

    refuse_stale(data, [samples, *others])
    for ref in others:
        n_missing = len(set(data.parts(samples)) - set(data.parts(ref)))
        if n_missing:
            record = read_record(data, ref)
            again = record.command_for(data) if record else data.maker(ref.table)
            raise ConfigError(f"{data.root}/{ref} lacks {n_missing} part(s): run `{again}`, then this command again")


def _slim(part: pl.DataFrame) -> pl.DataFrame:
    """Replace tokens and log-probs by their counts and sums; raw log-probs count where the sampler changed nothing."""
    import polars as pl

    from curate.likelihood import from_sampler

    ids = pl.col("completion_ids")
    is_plain = (pl.col("temperature") == 1) & (pl.col("top_p").fill_null(1) == 1)
    is_processed = (pl.col("logprob_semantics") == "processed") | is_plain
    scored = from_sampler(part).rename({"n_tokens": "n_scored"})
    text = pl.coalesce("completion", ids.cast(pl.List(pl.String)).list.join(" "))
    return scored.with_columns(
        extracted=_one_spelling(part["extracted"]),
        completion=pl.when(pl.col("outcome") == "correct").then(text),
        n_tokens=ids.list.len().cast(pl.Int32),
        sum_logprob=pl.when(is_processed).then("sum_logprob"),
    ).drop("completion_ids", "logprobs", "loss_mask", "mean_logprob", "logprob_semantics", "temperature", "top_p")


def _one_spelling(answers: pl.Series) -> pl.Series:
    """Write equal numbers alike (``1,800.0`` and ``$1800`` are ``1800``), so that they vote together; other text stays."""
    from curate.verifying.numbers import parse_number

    texts = answers.drop_nulls().unique()
    numbers = {text: str(number) for text in texts if (number := parse_number(text)) is not None}
    return answers.replace(numbers) if numbers else answers


def differing_prompt(one: Dataset, other: Dataset) -> str | None:
    """Return a prompt_id by which two datasets mean different prompts or answers; null where they agree or do not know."""
    import polars as pl

    columns = ("prompt_id", "prompt", "answer")
    both = one.scan("prompts").select(columns).join(other.scan("prompts").select(columns), on="prompt_id")
    is_other = (pl.col("prompt") != pl.col("prompt_right")) | (pl.col("answer") != pl.col("answer_right"))
    found: str | None = both.filter(is_other).select(pl.col("prompt_id").min()).collect().item()
    return found
