"""The texts a judge is asked with: files in ``prompts/``, named by a hash that every row they led to carries."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "prompts"

_HEADING = re.compile(r"^== ([a-z_]+) ==\n", re.MULTILINE)


class JudgeText:
    """The sections of one prompt file; ``$name`` in a section stands for a value."""

    def __init__(self, name: str) -> None:
        self.text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        _, *parts = _HEADING.split(self.text)
        self._sections = {
            title: Template(body.removesuffix("\n")) for title, body in zip(parts[::2], parts[1::2], strict=True)
        }

    def hash(self, *chosen: str) -> str:
        """Return 16 hex digits of BLAKE2b over the file's text and what else is chosen for every request."""
        return blake2b("\0".join([self.text, *chosen]).encode(), digest_size=8).hexdigest()

    def fill(self, section: str, **values: object) -> str:
        """Return a section with its values put in, once: a ``$name`` inside a value stays as it is."""
        return self._sections[section].substitute(values)
