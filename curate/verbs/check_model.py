"""Stored log-probs against those of the model that sampled: as they stand, moved by one, at other temperatures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.check_logprobs import FEW, READ_AGAIN, shift_found, some

if TYPE_CHECKING:
    import polars as pl

    from curate.checking import Finding
    from curate.dataset import Dataset


def by_model(data: Dataset, rows: pl.DataFrame, model: Path, not_looked_at: list[str]) -> Iterator[Finding]:
    """Score rows with the model, and hold what is stored against it: as it stands, moved by one, at other temperatures."""
    from curate.likelihood.model import Scorer
    from curate.verbs.logprob import token_ids

    scorer = Scorer(model)
    columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids"]
    prompts = {row["prompt_id"]: row for row in data.scan("prompts").select(columns).collect().iter_rows(named=True)}
    records = list(rows.iter_rows(named=True))
    ids = [token_ids(row, prompts[row["prompt_id"]], scorer.encode) for row in records]
    heats = [_heat(row) for row in records]
    scores = scorer.score([p for p, _ in ids], [c for _, c in ids], heats)
    kept = [
        i for i, score in enumerate(scores) if score.logprobs and len(score.logprobs) == len(records[i]["logprobs"])
    ]
    if not kept:
        why = next((score.error for score in scores if score.error), "no row has its ids")
        not_looked_at.append(f"log-probs: {model} scores no sample: {why}")
        return
    rows = rows[kept]
    found, shifted = shift_found(rows, [scores[i].logprobs or [] for i in kept], str(model))
    yield from found
    ids, heats = [ids[i] for i in kept], [heats[i] for i in kept]
    straight = [i for i in range(len(rows)) if i not in set(shifted) and _is_whole(rows.row(i, named=True))]
    if straight:
        yield from _heat_by_model(
            rows[straight], [ids[i] for i in straight], [heats[i] for i in straight], scorer, not_looked_at
        )


def _heat(row: dict[str, Any]) -> float:
    """Return the temperature that stored log-probs should be of, as recorded; unknown counts as 1, as in training."""
    return 1.0 if row["logprob_semantics"] == "raw" else row["temperature"] or 1.0


def _is_whole(row: dict[str, Any]) -> bool:
    """Say whether no token was cut off from the distribution that log-probs are of."""
    return row["logprob_semantics"] == "raw" or row["top_p"] in (None, 1.0)


def _heat_by_model(
    rows: pl.DataFrame,
    ids: list[tuple[list[int], list[int]]],
    heats: list[float],
    scorer: Any,
    not_looked_at: list[str],
) -> Iterator[Finding]:
    from collections import Counter

    from curate.checking.temperature import other_temperatures

    stored = rows["logprobs"].to_list()

    def apart(places: Sequence[int], at: Sequence[float]) -> list[float]:
        scores = scorer.score([ids[i][0] for i in places], [ids[i][1] for i in places], list(at))
        return [_apart(stored[i], score.logprobs) for i, score in zip(places, scores, strict=True)]

    fits = other_temperatures(apart, heats)
    if len(fits) >= max(FEW, 0.02 * len(rows)):
        best, _ = Counter(fit.temperature for fit in fits).most_common(1)[0]
        was = sum(fit.as_recorded for fit in fits) / len(fits)
        said = (
            f"log-probs are those of temperature {best:g}, and {was:.3f} nats a token from the model's at the recorded "
            f"{heats[fits[0].place]:g}"
        )
        yield some(rows, [fit.place for fit in fits], "wrong_temperature", said, READ_AGAIN)
        return
    here = sum(apart(range(len(rows)), heats)) / len(rows)
    if here > 0.1:
        not_looked_at.append(
            f"log-probs: they are {here:.3f} nats a token from the model's, at any temperature: another policy, template or "
            "tokenizer, so nothing tells of what temperature they are"
        )


def _apart(stored: list[float], scored: list[float] | None) -> float:
    if not scored:
        return float("inf")
    return sum(abs(a - b) for a, b in zip(stored, scored, strict=True)) / len(stored)
