"""How much a client asks at once, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from curate.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """Bounds of one client over all its servers.

    ``max_requests`` and ``max_tokens`` bound what is in flight (a request larger than ``max_tokens`` goes alone);
    ``timeout_s`` is the time of one attempt from connecting to its reply's last byte; ``attempts`` counts the first
    one too; ``patience_s`` is how long every server may be away before ``Gone``. ConfigError where one is not positive.
    """

    max_requests: int = 256
    max_tokens: int = 1_000_000
    timeout_s: float = 600
    attempts: int = 5
    patience_s: float = 600

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_tokens", "timeout_s", "attempts", "patience_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}: give a number above 0")


DEFAULT = Limits()
