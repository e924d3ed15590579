"""Whether stored log-probs stand beside their tokens and are of the recorded temperature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dataset import Dataset, TableRef

if TYPE_CHECKING:
    import polars as pl

    from curate.checking import Finding

SAMPLES = TableRef("samples")
N_ROWS = 2_048
N_SCORED = 256
SURE = 0.95  # of the likely tokens are likelier, or less likely
FEW = 3  # rows that fit by chance
MOVE = "Store each token's own log-prob, log p(token | the tokens before it), and import or sample again."
READ_AGAIN = "Put temperature (or logprob_semantics) right and import again: else the ratio of the first step is wrong."
COLUMNS = [
    "group_id",
    "sample_index",
    "prompt_id",
    "completion",
    "completion_ids",
    "logprobs",
    "loss_mask",
    "policy",
    "policy_version",
    "temperature",
    "top_p",
    "logprob_semantics",
]


def logprob_faults(data: Dataset, model: Path | None, not_looked_at: list[str]) -> Iterator[Finding]:
    """Yield log-probs that are shifted or of another temperature, on the best evidence there is.

    That of the model, where one is given; of stored likelihoods; of completions of one prompt that begin alike.
    """
    from curate.checking.shift import ENOUGH
    from curate.verbs.check_model import by_model

    yield from recorded_temperature(data)
    rows = _with_logprobs(data)
    if rows.is_empty():
        return
    if model is not None:
        some_rows = rows.gather_every(max(1, len(rows) // N_SCORED)).head(N_SCORED)
        yield from by_model(data, some_rows, model, not_looked_at)
        return
    scorers = [TableRef("likelihoods", name) for name in data.variants("likelihoods")]
    found, is_scored, is_heated = [], False, False
    for ref in scorers:
        scored = _scored(data, ref)
        is_scored |= not scored.is_empty()
        shift = _by_scorer(scored, ref)
        found += shift or []
        if not shift and _is_own(data, ref, rows):
            alike = _of_one_distribution(scored)
            is_heated |= not alike.is_empty()
            found += list(_heat_by_scorer(alike, ref))
    shift, n_pairs = _by_prefix(rows)
    if not any(each.fault == "shifted_logprobs" for each in found):
        found += shift
    yield from _one_a_fault(found)
    if not is_scored and n_pairs < ENOUGH:
        not_looked_at.append(f"log-probs: whether each stands beside its token: {_lacking(data)}")
    if not is_heated:
        not_looked_at.append(f"log-probs: whether they are of the recorded temperature: {_lacking(data)}")


def _lacking(data: Dataset) -> str:
    from curate.console import command

    made = command("logprob", data.root, model="PATH")
    return f"give --model PATH, the policy that sampled (or run `{made}` first)"


def _one_a_fault(found: Sequence[Finding]) -> list[Finding]:
    return list({each.fault: each for each in reversed(found)}.values())


def _with_logprobs(data: Dataset) -> pl.DataFrame:
    """Return rows whose every token was sampled: a token that a tool put there has no log-prob of the policy's."""
    import polars as pl

    from curate.verbs.check_rows import looked_at

    rows = looked_at(data, SAMPLES, COLUMNS, N_ROWS)
    is_whole = pl.col("loss_mask").is_null() | pl.col("loss_mask").list.all()
    return rows.filter(pl.col("logprobs").list.len() > 0, is_whole)


def recorded_temperature(data: Dataset) -> Iterator[Finding]:
    """Yield samples that state another temperature than their job, and greedy groups that are not greedy."""
    from curate.checking import Finding
    from curate.checking.finding import key
    from curate.checking.temperature import GREEDY_GROUPS
    from curate.jobrecord import read_record
    from curate.query import group_violations

    record = read_record(data, SAMPLES)
    asked = record.parameters.get("temperature") if record and record.verb == "sample" else None
    if isinstance(asked, float | int):
        query = (
            f"SELECT count(*) FILTER (temperature IS DISTINCT FROM {float(asked)!r}) AS n, count(*), "
            f"min({{'g': group_id, 'i': sample_index}}) FILTER (temperature IS DISTINCT FROM {float(asked)!r}) FROM part"
        )
        n, total, first = _only(group_violations(data, SAMPLES, query))
        if n:
            said = f"samples state another temperature than {asked:g}, at which `curate sample` made them"
            first = key(*first.values())
            yield Finding("wrong_temperature", "samples", said, n, total, "samples", first, READ_AGAIN)
    n, total, group = _only(group_violations(data, SAMPLES, GREEDY_GROUPS))
    if n * 2 > total:
        said = "samples state temperature 0, and most completions of a group differ"
        yield Finding("wrong_temperature", "samples", said, n, total, "greedy groups", f"group_id={group}", READ_AGAIN)


def _only(rows: list[Any]) -> Any:
    return rows[0]


def _by_prefix(rows: pl.DataFrame) -> tuple[list[Finding], int]:
    from curate.checking.shift import shift_by_prefix

    setting = ["group_id", "policy", "policy_version", "temperature", "top_p"]
    groups = rows.group_by(setting, maintain_order=True).agg("completion_ids", "logprobs")
    pairs = zip(groups["completion_ids"].to_list(), groups["logprobs"].to_list(), strict=True)
    side, n_pairs = shift_by_prefix(list(zip(*each, strict=True)) for each in pairs)
    if side is None:
        return [], n_pairs
    said = f"each log-prob is that of the {side} token, in {n_pairs:,} pairs of completions that begin alike"
    return [every(rows, "shifted_logprobs", said, MOVE)], n_pairs


def every(rows: pl.DataFrame, fault: str, evidence: str, do: str) -> Finding:
    """Return a fault of all these rows."""
    return some(rows, list(range(len(rows))), fault, evidence, do)


def some(rows: pl.DataFrame, places: list[int], fault: str, evidence: str, do: str) -> Finding:
    """Return a fault of the rows in these places."""
    from curate.checking import Finding
    from curate.checking.finding import key

    first = rows.row(min(places), named=True)
    place = key(first["group_id"], first["sample_index"])
    return Finding(fault, "samples", evidence, len(places), len(rows), "samples looked at", place, do)


def _scored(data: Dataset, ref: TableRef) -> pl.DataFrame:
    """Return rows with a scorer's log-probs beside their own."""
    import polars as pl

    from curate.verbs.check_rows import beside

    columns = [each for each in COLUMNS if each not in ("group_id", "sample_index")]
    rows = beside(data, columns, ref, ["logprobs", "logprob_semantics"], N_ROWS)
    rows = rows.rename({"logprobs_right": "scored", "logprob_semantics_right": "scored_semantics"})
    return rows.filter(
        pl.col("logprobs").list.len() > 0,
        pl.col("scored").list.len() == pl.col("logprobs").list.len(),
        pl.col("loss_mask").is_null() | pl.col("loss_mask").list.all(),
    )


def _by_scorer(scored: pl.DataFrame, ref: TableRef) -> list[Finding]:
    return [] if scored.is_empty() else shift_found(scored, scored["scored"].to_list(), f"scorer {ref.variant}")[0]


def shift_found(rows: pl.DataFrame, scored: list[list[float]], whose: str) -> tuple[list[Finding], list[int]]:
    """Return what is shifted against a model's log-probs, and the places of the rows that are."""
    from curate.checking.shift import shift_against, shifted_rows

    stored = rows["logprobs"].to_list()
    side, apart = shift_against(stored, scored)
    if side is not None:
        said = f"each log-prob is that of the {side} token: {apart:.3f} nats a token from those of {whose}, which fit moved"
        return [every(rows, "shifted_logprobs", said, MOVE)], list(range(len(rows)))
    places = shifted_rows(stored, scored)
    if len(places) < max(FEW, 0.02 * len(rows)):
        return [], []
    said = f"log-probs are those of the token beside theirs, by {whose}"
    return [some(rows, places, "shifted_logprobs", said, MOVE)], places


def _is_own(data: Dataset, ref: TableRef, rows: pl.DataFrame) -> bool:
    """Say whether a scorer is, by name, the policy that sampled."""
    from curate.jobrecord import read_record

    record = read_record(data, ref)
    names = set(rows["policy"].drop_nulls().to_list())
    return record is not None and names == {record.parameters.get("model") or record.parameters.get("served_model")}


def _of_one_distribution(scored: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of which both log-probs are of the same distribution, as recorded, and nothing was cut off it."""
    import polars as pl

    alike = (pl.col("temperature") == 1) | (pl.col("logprob_semantics") == pl.col("scored_semantics"))
    return scored.filter(alike, pl.col("top_p").fill_null(1.0) == 1)


def _heat_by_scorer(scored: pl.DataFrame, ref: TableRef) -> Iterator[Finding]:
    """Yield the recorded temperatures at which the policy's own likelihoods are sharper or flatter than what it stored."""
    from curate.checking.temperature import sharper

    for (heat,), rows in scored.group_by("temperature", maintain_order=True):
        share = sharper(rows["logprobs"].to_list(), rows["scored"].to_list())
        if share is not None and (share >= SURE or share <= 1 - SURE):
            than = "lower" if share > 0.5 else "higher"
            said = f"log-probs are of a {than} temperature than the recorded {heat}: scorer {ref.variant} has them otherwise"
            yield every(rows, "wrong_temperature", said, READ_AGAIN)
