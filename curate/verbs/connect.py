"""How a verb reaches served models: the same options, limits and key for sampling, judging and scoring."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.serving import Client, Limits

KEY_ENV = "CURATE_API_KEY"


@dataclass(frozen=True)
class Connection:
    """Servers that may stand in for one another, and how hard they are asked.

    Nothing here is a parameter of a job: another server, or more requests at once, may go on with its parts. Prices are
    dollars per million tokens. The key is read from the environment variable ``api_key_env`` and kept nowhere.
    """

    urls: tuple[str, ...]
    max_requests: int = 256
    max_tokens_in_flight: int = 1_000_000
    timeout_s: float = 600
    patience_s: float = 600
    price_in: float | None = None
    price_out: float | None = None
    api_key_env: str = KEY_ENV

    @property
    def limits(self) -> Limits:
        """What the client may have in flight, and how long it waits; raises ConfigError where one is not positive."""
        from curate.serving import Limits

        return Limits(
            max_requests=self.max_requests,
            max_tokens=self.max_tokens_in_flight,
            timeout_s=self.timeout_s,
            patience_s=self.patience_s,
        )

    @property
    def api_key(self) -> str | None:
        """The key, or null where the environment has none; ConfigError where a variable was named and is not set."""
        from curate.errors import ConfigError

        key = os.environ.get(self.api_key_env)
        if key is None and self.api_key_env != KEY_ENV:
            raise ConfigError(
                f"--api-key-env {self.api_key_env}: the environment has no such variable: export it first"
            )
        return key

    def client(self) -> Client:
        """Return a client that is not open yet; raises ConfigError for a URL that cannot be one."""
        from curate.serving import Client

        return Client(self.urls, self.limits, self.api_key)

    def options(self) -> dict[str, Any]:
        """Return what ``console.command`` needs to write the same connection again; what was not set is left out."""
        plain = Connection(self.urls)
        names = ("max_requests", "max_tokens_in_flight", "timeout_s", "patience_s", "price_in", "price_out")
        given = {
            name: value for name in (*names, "api_key_env") if (value := getattr(self, name)) != getattr(plain, name)
        }
        return {"server": list(self.urls), **given}

    def cost(self, n_in: int, n_out: int) -> float | None:
        """Return dollars for so many tokens of prompts and of replies; null without a price."""
        if self.price_in is None and self.price_out is None:
            return None
        return (n_in * (self.price_in or 0.0) + n_out * (self.price_out or 0.0)) / 1e6
