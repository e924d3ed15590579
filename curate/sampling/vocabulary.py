"""What a checkpoint's folder says of its tokens, without its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def vocabulary(path: Path, tokenizer: Any) -> tuple[int | None, frozenset[int]]:
    """Return the size of a model's vocabulary, null where ``config.json`` names none, and the ids that end a completion.

    Those of the generation settings, or of the model's where it has none, and the tokenizer's own.
    """
    config = _read(path / "config.json")
    text = config.get("text_config")
    size = (text if isinstance(text, dict) else config).get("vocab_size")
    settings = _read(path / "generation_config.json") or config
    ends: set[int] = set()
    for ids in (settings.get("eos_token_id"), tokenizer.eos_token_id):
        ends |= {each for each in (ids if isinstance(ids, list) else [ids]) if type(each) is int}
    return (size if type(size) is int and size > 0 else None), frozenset(ends)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
