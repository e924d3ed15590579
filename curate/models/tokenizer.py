"""Load a tokenizer from a local folder; without torch where the kind of tokenizer allows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.errors import ConfigError

PLAIN_CLASSES = ("TokenizersBackend", "PreTrainedTokenizerFast")
# Of other types transformers may know better than the folder which class it is.
PLAIN_TYPES = ("llama",)
MOST_SAID = 200


def load_tokenizer(path: Path) -> Any:
    """Load the tokenizer in ``path``; raises ConfigError where there is none."""
    try:
        return _loader(path).from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} has no tokenizer that loads ({_short(error)}): give the folder of a checkpoint with its tokenizer.json"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().split("\n")[0]


def _short(error: Exception) -> str:
    """Return an error's message on one line: its first line alone may end before the reason."""
    return " ".join(str(error).split())[:MOST_SAID]


def _loader(path: Path) -> Any:
    """Return the class that loads the tokenizer: the one that ``AutoTokenizer`` would choose, where that is plain.

    ``AutoTokenizer`` imports torch: 250 MB and some seconds, which a client of served models has no use for.
    """
    settings, config = (_read(path / name) for name in ("tokenizer_config.json", "config.json"))
    is_plain = settings.get("tokenizer_class") in PLAIN_CLASSES and "auto_map" not in settings
    if is_plain and config.get("model_type") in PLAIN_TYPES and (path / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
