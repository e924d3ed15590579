"""The addresses of servers, as a user writes them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from curate.errors import ConfigError


def server_urls(urls: Sequence[str]) -> list[str]:
    """Return each server's address once, in the order given; ConfigError where there is none or one is no address."""
    if not urls:
        raise ConfigError("no server was given: add --server http://HOST:PORT")
    return list(dict.fromkeys(server_url(url) for url in urls))


def server_url(url: str) -> str:
    """Return ``scheme://host[:port][/prefix]`` without a trailing ``/`` or ``/v1``; ConfigError where it is no address.

    A user name or password in the address is refused without repeating it.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError("a server's address cannot be read: write it like http://HOST:PORT") from error
    if "@" in parts.netloc:
        raise ConfigError(
            f"the address of the server {host} holds a user name or password: leave them out, "
            "and give the key in the environment variable CURATE_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{url!r} is no server's address: write it like http://HOST:PORT")
    if parts.query or parts.fragment:
        raise ConfigError(f"the address of the server {host} goes on after a ? or #: give it up to the port or path")
    if port == 0 or not url.strip().isascii() or any(character.isspace() for character in url.strip()):
        raise ConfigError(f"{url!r} is no server's address: write it like http://HOST:PORT")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix('/v1').rstrip('/')}"
