"""One server: its load, and how much more it is trusted with."""

from __future__ import annotations

import math
import random

PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
GROWTH_PARTS = 64


class Server:
    """Load and concurrency limit of one URL; times are those of the event loop's clock.

    The limit follows additive increase and multiplicative decrease. A reply adds ``most / 64`` a round trip. An
    overload (429, 503) halves it, once a round trip, and cuts it to what the server has in flight: of a burst of
    rejections, the requests that are left are those it could hold. A second trouble in a row, with no reply in
    between, pauses the server, each time for longer, and then it is tried with one request at a time.
    """

    def __init__(self, url: str, most: int) -> None:
        self.url = url
        self.most = most
        self.limit = float(most)
        self.n_requests = 0
        self.n_tokens = 0
        self.n_chosen = 0
        self.n_troubles = 0
        self.down_since: float | None = None
        self.paused_until = 0.0
        self.said = ""
        self.answered_at = -math.inf
        self.is_silent = False
        self._trouble_at = 0.0
        self._growth = max(1.0, most / GROWTH_PARTS)

    def has_room(self, now: float) -> bool:
        """Return whether one more request may go to this server now."""
        return now >= self.paused_until and self.n_requests + 1 <= (1 if self.n_troubles > 1 else self.limit)

    def load(self) -> tuple[float, int]:
        """Return tokens in flight over the limit, then how often the server was chosen: the least is asked next."""
        return self.n_tokens / self.limit, self.n_chosen

    def answered(self) -> bool:
        """Take note of a reply; return whether the limit rose."""
        self.n_troubles = 0
        self.down_since = None
        self.is_silent = False
        if self.limit >= self.most:
            return False
        self.limit = min(self.most, self.limit + self._growth / self.limit)
        return True

    def overloaded(self, now: float, started: float, said: str, retry_after_s: float | None) -> None:
        """Take note of a rejection of a request sent at ``started``; the request still counts as in flight."""
        self.limit = max(1.0, min(self.limit, self.n_requests - 1))
        if started >= self._trouble_at:
            self.limit = max(1.0, self.limit / 2)
        self._trouble(now, started, said)
        if retry_after_s is not None:
            self.paused_until = max(self.paused_until, now + retry_after_s)

    def unreachable(self, now: float, started: float, said: str) -> None:
        """Take note of a connection that could not be made at ``started``."""
        self._trouble(now, started, said)

    def silent(self, now: float, started: float, said: str) -> None:
        """Take note that nothing has come from the server since ``started``: it hangs, what is in flight there too."""
        self._trouble(now, started, said)
        self.is_silent = True
        self.down_since = min(started, now if self.down_since is None else self.down_since)

    def _trouble(self, now: float, started: float, said: str) -> None:
        self.said = said
        if self.down_since is None:
            self.down_since = now
        if started < self._trouble_at:  # sent before the last trouble was known: it is the same one
            return
        self._trouble_at = now
        self.n_troubles += 1
        if self.n_troubles > 1:
            pause = min(LONGEST_PAUSE_S, PAUSE_S * 2.0 ** min(self.n_troubles - 2, 20))
            self.paused_until = max(self.paused_until, now + pause * random.uniform(0.75, 1.25))
