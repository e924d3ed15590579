"""What a sampler is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Setting:
    """How completions are drawn.

    The distribution is softmax(logits / temperature), cut to the likeliest tokens that hold ``top_p`` of it. At
    temperature 0 the likeliest token is taken. A completion ends with an end token or after ``max_new_tokens``.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 512

    @property
    def logprob_semantics(self) -> Literal["raw", "processed"]:
        """``processed``: of the distribution sampled from; ``raw`` (at temperature 1) where sampling is greedy."""
        return "processed" if self.temperature else "raw"


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion: token ids, shape (T,), with the end token where it was drawn; their natural log-probs, shape (T,).

    ``topk_ids`` and ``topk_logprobs``, (T, k), are the likeliest tokens at each position; null where nobody asked.
    """

    ids: list[int]
    logprobs: list[float]
    finish_reason: Literal["stop", "length"]
    topk_ids: list[list[int]] | None = None
    topk_logprobs: list[list[float]] | None = None
