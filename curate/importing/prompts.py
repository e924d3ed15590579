"""The prompts of an import: one row each, kept from its first sample, wherever it comes again."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from curate.ids import prompt_id
from curate.importing.rollout import Rollout

NEW, KEPT, CONFLICTING = 0, 1, 2


class Prompts:
    """Tells prompts apart by id, a few numbers each; hands every new one to ``write(ordinal of its group, row)``."""

    def __init__(self, source: str, write: Callable[[int, dict[str, Any]], None]) -> None:
        self._source = source
        self._write = write
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._contents = array("q")
        self._attributes = array("q")
        self._states = bytearray()
        self._last: tuple[object, str] = (None, "")

    @property
    def n_kept(self) -> int:
        """Prompts written."""
        return len(self._states) - self._states.count(NEW)

    @property
    def n_conflicting(self) -> int:
        """Prompts that came later with another answer, reference, domain or other token ids: the first was kept."""
        return self._states.count(CONFLICTING)

    def name(self, number: int) -> str:
        """Give the prompt_id of a prompt's number."""
        return self._names[number]

    def identify(self, rollout: Rollout) -> int | str:
        """Find the number of a sample's prompt, or the reason why it cannot have the id that the source gives it."""
        name = rollout.prompt_id or self._hash(rollout)
        content = 0 if rollout.prompt_id is None else hash((rollout.prompt_format, _content(rollout)))
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
            self._contents.append(content)
            self._attributes.append(0)
            self._states.append(NEW)
        elif self._contents[number] != content:
            return f"prompt_id {name[:100]} came with another prompt before"
        return number

    def keep(self, number: int, rollout: Rollout, ordinal: int) -> None:
        """Write a prompt when its first sample is kept, and notice where a later sample says something else of it."""
        ids = None if rollout.prompt_ids is None else rollout.prompt_ids.tobytes()
        attributes = hash((rollout.answer, rollout.reference, rollout.domain, ids))
        if self._states[number] == NEW:
            self._states[number] = KEPT
            self._attributes[number] = attributes
            self._write(ordinal, self._row(number, rollout))
        elif self._attributes[number] != attributes:
            self._states[number] = CONFLICTING

    def _hash(self, rollout: Rollout) -> str:
        # Samples of one prompt mostly come one after the other.
        content = (rollout.prompt_format, _content(rollout))
        if self._last[0] != content:
            known = rollout.prompt if rollout.prompt is not None else _listed(rollout)
            self._last = (content, prompt_id(known, rollout.prompt_format))
        return self._last[1]

    def _row(self, number: int, rollout: Rollout) -> dict[str, Any]:
        return {
            "prompt_id": self._names[number],
            "prompt": rollout.prompt,
            "prompt_format": rollout.prompt_format,
            "prompt_ids": rollout.prompt_ids,
            "answer": rollout.answer,
            "reference": rollout.reference,
            "domain": rollout.domain,
            "source": self._source,
            "source_file": rollout.file,
            "source_row": rollout.row,
        }


def _content(rollout: Rollout) -> str | bytes | None:
    if rollout.prompt is not None:
        return rollout.prompt
    return None if rollout.prompt_ids is None else rollout.prompt_ids.tobytes()


def _listed(rollout: Rollout) -> list[int]:
    return [] if rollout.prompt_ids is None else [int(token) for token in rollout.prompt_ids]
