"""Stored log-probs against those of the model that sampled: as they stand, moved by one, at other temperatures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.verbs.check_logprobs import FEW, READ_AGAIN, shift_found, some

if TYPE_CHECKING:
    import polars as pl

    from curate.checking import Finding
    from curate.dataset import Dataset
    from curate.likelihood.model import Scorer


@dataclass(frozen=True)
class _Scored:
    """Rows of samples, what they are to a model (ids of prompt and completion, temperature as recorded), and its log-probs."""

    rows: pl.DataFrame
    ids: list[tuple[list[int], list[int]]]
    heats: list[float]
    logprobs: list[list[float]]

    def only(self, places: Sequence[int]) -> _Scored:
        """Return these rows alone."""
        return _Scored(
            self.rows[list(places)],
            [self.ids[place] for place in places],
            [self.heats[place] for place in places],
            [self.logprobs[place] for place in places],
        )


def by_model(data: Dataset, rows: pl.DataFrame, model: Path, not_looked_at: list[str]) -> Iterator[Finding]:
    """Score rows with the model, and hold what is stored against it: as it stands, moved by one, at other temperatures."""
    from curate.errors import ConfigError
    from curate.likelihood.model import Scorer

    scorer = Scorer(model)
    try:
        scored = _score(data, rows, scorer)
    except ConfigError as error:  # no prompts, or text and no tokenizer
        not_looked_at.append(f"log-probs: {error}")
        return
    if not scored.logprobs:
        not_looked_at.append(f"log-probs: {model} scores none of the samples: are they of its vocabulary?")
        return
    found, shifted = shift_found(scored.rows, scored.logprobs, str(model))
    yield from found
    others = [place for place in range(len(scored.rows)) if place not in set(shifted)]
    whole = scored.only([place for place in others if _is_whole(scored.rows.row(place, named=True))])
    if whole.logprobs:
        yield from _heat_by_model(whole, scorer, not_looked_at)
    elif others:
        not_looked_at.append(
            "log-probs: whether they are of the recorded temperature: top_p cut the distribution they are of"
        )


def _score(data: Dataset, rows: pl.DataFrame, scorer: Scorer) -> _Scored:
    """Return the rows that the model can score; ConfigError where the ids are not known and cannot be made."""
    import polars as pl

    from curate.verbs.logprob import token_ids

    columns = ["prompt_id", "prompt", "prompt_format", "prompt_ids"]
    prompts = {row["prompt_id"]: row for row in data.scan("prompts").select(columns).collect().iter_rows(named=True)}
    rows = rows.filter(pl.col("prompt_id").is_in(list(prompts)))
    records = list(rows.iter_rows(named=True))
    ids = [token_ids(row, prompts[row["prompt_id"]], scorer.encode) for row in records]
    heats = [_heat(row) for row in records]
    scores = scorer.score([prompt for prompt, _ in ids], [completion for _, completion in ids], heats)
    found = _Scored(rows, ids, heats, [score.logprobs or [] for score in scores])
    return found.only([i for i, own in enumerate(found.logprobs) if own and len(own) == len(records[i]["logprobs"])])


def _heat(row: dict[str, Any]) -> float:
    """Return the temperature that stored log-probs should be of, as recorded; unknown counts as 1, as in training."""
    return 1.0 if row["logprob_semantics"] == "raw" else row["temperature"] or 1.0


def _is_whole(row: dict[str, Any]) -> bool:
    """Say whether no token was cut off from the distribution that log-probs are of."""
    return row["logprob_semantics"] == "raw" or row["top_p"] in (None, 1.0)


def _heat_by_model(scored: _Scored, scorer: Scorer, not_looked_at: list[str]) -> Iterator[Finding]:
    from collections import Counter

    from curate.checking.temperature import other_temperatures

    rows, heats, stored = scored.rows, scored.heats, scored.rows["logprobs"].to_list()

    def apart(places: Sequence[int], at: Sequence[float]) -> list[float]:
        pairs = [scored.ids[place] for place in places]
        scores = scorer.score([prompt for prompt, _ in pairs], [completion for _, completion in pairs], list(at))
        return [_apart(stored[place], score.logprobs) for place, score in zip(places, scores, strict=True)]

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
