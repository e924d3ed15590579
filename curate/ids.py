"""Keys that are the same on every machine and in every run: 8 bytes of BLAKE2b over canonical JSON.

Golden tests hold these numbers: changing anything here breaks every dataset on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import orjson

EDGE = 1 << 20


def canonical_json(value: object) -> bytes:
    """Write a value as JSON with sorted keys, no spaces, UTF-8: equal values give equal bytes.

    Raises TypeError for what JSON cannot hold (bytes, integers beyond 64 bits, text that is not valid Unicode).
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def group_id(key: object) -> int:
    """Hash what defines a group into its id: the digest read as a big-endian signed 64-bit integer.

    An import's key is ``[source, the source's group key]``; a sampled group's key names prompt, policy and setting.
    """
    return int.from_bytes(blake2b(canonical_json(key), digest_size=8).digest(), "big", signed=True)


def prompt_id(prompt: str | Sequence[int], prompt_format: str = "text") -> str:
    """Hash a prompt into its id, 16 hex digits, for sources that have no id of their own.

    ``prompt`` is the text (canonical JSON of the messages for format ``chat``), or the token ids where only those
    are known. The same text in another format is another prompt.
    """
    content = prompt if isinstance(prompt, str) else [int(token) for token in prompt]
    return blake2b(canonical_json([prompt_format, content]), digest_size=8).hexdigest()


def edges_hash(path: Path) -> str:
    """Name the content of a file of any size: its size and a hash of size, first and last MiB.

    A change in the middle that keeps the size goes unseen; reading 100 GB on every run would cost more.
    """
    size = path.stat().st_size
    digest = blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(EDGE))
        file.seek(max(size - EDGE, 0))
        digest.update(file.read(EDGE))
    return f"{size} {digest.hexdigest()}"
