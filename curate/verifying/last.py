"""The last of what an iterator gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def last(items: Iterable[T]) -> T | None:
    """Return the last item, in constant memory; null where there is none."""
    kept = deque(items, maxlen=1)
    return kept[0] if kept else None
