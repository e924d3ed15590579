"""How busy the servers say they are, read from the metrics that vLLM (and SGLang, where asked to) publish as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

METRICS = "/metrics"
_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs")


class Load(NamedTuple):
    """Completions that the servers work on, and those that wait there, over all that say so."""

    n_running: int
    n_waiting: int


def load(texts: Iterable[str | None]) -> Load | None:
    """Return the load of some servers from their metrics, null where none of them tells."""
    lines = [line for text in texts if text for line in text.splitlines()]
    running, waiting = _sum(_RUNNING, lines), _sum(_WAITING, lines)
    return None if running is None else Load(running, waiting or 0)


def _sum(names: tuple[str, ...], lines: Iterable[str]) -> int | None:
    """Return the sum of a gauge over its labels; a line is ``name{labels} value``."""
    values = []
    for line in lines:
        if line.startswith(names) and line.split("{")[0].split(" ")[0] in names:
            try:
                value = float(line.rpartition(" ")[2])
            except ValueError:
                continue
            if math.isfinite(value):
                values.append(value)
    return round(sum(values)) if values else None
