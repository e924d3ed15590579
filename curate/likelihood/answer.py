"""The tokens that spell the answer of a completion, and how likely they were."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]


def answer_span(completion: str, answer: str | None) -> tuple[int, int] | None:
    """Return where the answer stands in the completion, [start, end) in characters: its last place.

    Verifiers take the last answer of a completion, so that an earlier mention is reasoning. Null where there is no
    answer, or where the completion does not have it letter by letter (a verifier that rewrites what it found).
    """
    start = completion.rfind(answer) if answer else -1
    return None if answer is None or start < 0 else (start, start + len(answer))


def answer_mask(completion: str, ids: Sequence[int], answer: str | None, decode: Decode) -> list[bool] | None:
    """Mark the tokens that spell the answer: shape (T,), true where a token has a character of its last place.

    ``decode`` turns ids into text as the completion was made, special tokens left out. A token's characters are those
    by which the text of all ids up to it is longer than that of those before, found by bisection in O(log T) calls of
    ``decode``; all tokens that share a character count. Null where the answer is not found (see ``answer_span``), or the
    ids do not decode to the completion: then nobody knows where it is.
    """
    span = answer_span(completion, answer)
    if span is None or decode(ids) != completion:
        return None
    lengths = _PrefixLengths(ids, decode)
    start, end = span
    first = bisect_right(lengths, start) - 1
    last = bisect_left(lengths, end)
    # The first byte of a character counts as one already, so its other bytes are looked for.
    while decode(ids[:last])[:end] != completion[:end]:
        last += 1
    return [first <= place < last for place in range(len(ids))]


def answer_mean_logprob(
    logprobs: Sequence[float | None] | None, answer: Sequence[bool] | None, loss_mask: Sequence[bool] | None = None
) -> float | None:
    """Return the mean log-prob of the tokens that spell the answer, nats a token.

    ``answer`` is the mask of ``answer_mask``; a false ``loss_mask`` takes a token out. Null, never 0, without log-probs
    or mask, where no token is left, or where one of them has no log-prob. Raises ValueError for other lengths.
    """
    if logprobs is None or answer is None:
        return None
    counts = answer if loss_mask is None else [a and b for a, b in zip(answer, loss_mask, strict=True)]
    chosen = [logprob for logprob, is_counted in zip(logprobs, counts, strict=True) if is_counted]
    known = [logprob for logprob in chosen if logprob is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(chosen) else None


class _PrefixLengths(Sequence[int]):
    """The lengths in characters of the texts of the first 0, 1, ... T ids, decoded when asked for."""

    def __init__(self, ids: Sequence[int], decode: Decode) -> None:
        self._ids, self._decode = ids, decode

    def __len__(self) -> int:
        return len(self._ids) + 1

    def __getitem__(self, n: int) -> int:  # type: ignore[override]
        return len(self._decode(self._ids[:n])) if n else 0
