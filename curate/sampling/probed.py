"""What was found out of a server before any work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from curate.sampling.requests import MAX_N


@dataclass(frozen=True, slots=True)
class Probed:
    """How a server behaves; ``notes`` are sentences for a person.

    ``logprob_semantics`` is null where log-probs are neither raw nor those of the distribution sampled from, or there
    are none; ``max_length`` the tokens of prompt and completion together, null where the server does not say.
    ``children``: where the seeds of a request's samples come from, ``seed + i``, ``own request`` (each sample is asked
    alone, so ``max_n`` is 1) or ``none`` (the seed does nothing: it is not to be stored). ``n_logprobs`` is the smallest
    number of log-probs that the server gives the sampled token's for.
    """

    logprob_semantics: Literal["raw", "processed"] | None = "processed"
    max_length: int | None = None
    children: Literal["seed + i", "own request", "none"] = "seed + i"
    max_n: int = MAX_N
    n_logprobs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_seeded(self) -> bool:
        """Whether a sample's seed decides it, up to the rounding of its logits."""
        return self.children != "none"


def noted(probed: Probed, note: str | None) -> Probed:
    """Return ``probed`` with one more note, where there is one."""
    return replace(probed, notes=(*probed.notes, note)) if note else probed
