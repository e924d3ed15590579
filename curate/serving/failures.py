"""What can go wrong with a request.

ServerError (curate.errors)
├── Refused   the server understood and said no: this request only, asking again is of no use
├── Failed    every attempt failed: this request only, asking again later may help
└── Gone      no server answers any more: stop the job

``TryAgain`` and ``Unreachable`` never leave this folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.errors import ServerError

if TYPE_CHECKING:
    from curate.serving.server import Server


FOR_EVERY_REQUEST = frozenset({401, 402, 403, 404})


class Refused(ServerError):  # noqa: N818
    """A reply that asking again will not change: 3xx, and 4xx but 408, 409, 425 and 429."""

    def __init__(self, status: int, reply: str, where: str) -> None:
        super().__init__(f"{where} refused the request with HTTP {status}: {reply or '(an empty reply)'}")
        self.status = status
        self.reply = reply

    @property
    def is_for_every_request(self) -> bool:
        """Whether it is about the key, the account or the model: going on would only collect the same refusal."""
        return self.status in FOR_EVERY_REQUEST


class Failed(ServerError):  # noqa: N818
    """A request whose attempts are used up; ``reason`` (timeout, connection, http_503, bad_json, ...) is the last one's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Gone(ServerError):  # noqa: N818
    """No server has answered for as long as the client's patience, away or hung: the job has to stop."""


class TryAgain(Exception):  # noqa: N818
    """One attempt at ``server`` failed in a way that another may not; ``retry_after_s`` is the server's own wish."""

    server: Server | None = None

    def __init__(self, reason: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry_after_s = retry_after_s


class Unreachable(Exception):  # noqa: N818
    """No connection could be made, so nothing was asked: not an attempt."""
