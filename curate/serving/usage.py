"""What a client has done so far: numbers for progress and for the summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Usage:
    """Counts of one client, changed in place; other threads may read them at any time.

    ``n_requests`` counts every attempt that was sent, ``n_retries`` those after the first by the reason of the failure
    before them, ``n_waiting`` requests held back by a bound, ``limit`` the requests each server is trusted with at
    once, ``waited_s`` the seconds in which no server answered at all (an outage that is still on is not in it yet).
    """

    n_requests: int = 0
    n_replies: int = 0
    n_retries: Counter[str] = field(default_factory=Counter)
    n_in_flight: int = 0
    n_tokens_in_flight: int = 0
    n_waiting: int = 0
    limit: dict[str, int] = field(default_factory=dict)
    waited_s: float = 0.0
