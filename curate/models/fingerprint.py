"""Tell one policy's weights from another's, so that samples can be matched with the model that made them."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

CHUNK = 1 << 24


def fingerprint(path: Path) -> str:
    """Return 16 hex digits of BLAKE2b over the weight files of a checkpoint, in the order of their names.

    The tokenizer and the sampling settings are left out: the same weights under another tokenizer are the same policy,
    and the trainer's check at step 0 is there to notice it.
    """
    digest = blake2b(digest_size=8)
    for file in sorted([*path.glob("*.safetensors"), *path.glob("*.bin")]):
        digest.update(file.name.encode())
        with file.open("rb") as weights:
            while block := weights.read(CHUNK):
                digest.update(block)
    return digest.hexdigest()
