"""What the fake server's model says: ids and log-probs that follow from the prompt and the seed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from zlib import crc32

EOS_ID = 1


def _crc(ids: Sequence[int], start: int = 0) -> int:
    for each in ids:
        start = crc32(each.to_bytes(4, "little", signed=True), start)
    return start


def complete(prompt: Sequence[int], seed: int, most: int, vocabulary: int = 32, eos_id: int = EOS_ID) -> list[int]:
    """Return 1 to ``most`` ids that end with ``eos_id``, unless ``most`` came first."""
    ids: list[int] = []
    state = crc32(seed.to_bytes(8, "little", signed=True), _crc(prompt))
    length = 2 + state % 12
    while len(ids) < most:
        if len(ids) == length - 1:
            return [*ids, eos_id]
        state = crc32(b"next", state)
        ids.append(eos_id + 1 + state % (vocabulary - eos_id - 1))
    return ids


def logprobs(before: Sequence[int], ids: Sequence[int], temperature: float = 1.0) -> list[float]:
    """Return one log-prob an id, of a model for which each next token is one of two; at T=1 within [-2.4, -0.1]."""
    state, found = _crc(before), []
    for each in ids:
        state = _crc([each], state)
        log_p = -0.1 - 2.3 * (state % 10_000) / 10_000
        if temperature != 1.0:
            log_q = math.log1p(-math.exp(log_p))
            log_p = -math.log1p(math.exp((log_q - log_p) / temperature))
        found.append(log_p)
    return found
