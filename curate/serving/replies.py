"""Replies: read within a size, judged by their status, parsed, and quoted without the key."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import aiohttp

from curate.serving.failures import Failed

MOST_BYTES = 1 << 30
MOST_QUOTED = 500
LONGEST_RETRY_AFTER_S = 60.0
SHORTEST_SECRET = 16  # a shorter key ("EMPTY", "none") is a stand-in that any reply may hold by chance
OVERLOADED = frozenset({429, 502, 503, 504, 529})
_AGAIN_BELOW_500 = frozenset({408, 409, 425, 429})


def is_worth_another_try(status: int) -> bool:
    """Return whether a later attempt may get another status: 408, 409, 425, 429 and every 5xx."""
    return status >= 500 or status in _AGAIN_BELOW_500


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Return the reply's bytes; Failed (too_large) above 1 GiB, without reading on."""
    chunks, n_bytes = [], 0
    async for chunk in response.content.iter_any():
        n_bytes += len(chunk)
        if n_bytes > MOST_BYTES:
            response.close()
            raise Failed("too_large", f"{response.url} sent a reply of more than {MOST_BYTES:,} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def quoted(reply: bytes, key: str | None) -> str:
    """Return the first 500 characters of a reply as text, with the key, however spelled, taken out before the cut."""
    if key:
        reply = without_key(reply, key)
    return reply[: 4 * MOST_QUOTED].decode(errors="replace")[:MOST_QUOTED]


def without_key(reply: bytes, key: str) -> bytes:
    """Return a reply with the key taken out, however it is spelled."""
    for spelling in {key, key.replace("/", "\\/"), quote(key, safe="")}:
        reply = reply.replace(spelling.encode(), b"[the key]")
    return reply


def retry_after_s(header: str | None, most_s: float = LONGEST_RETRY_AFTER_S) -> float | None:
    """Return the seconds a ``Retry-After`` header (seconds or a date) asks for, at most 60 and ``most_s``; None where it says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S, most_s) if seconds == seconds else None
