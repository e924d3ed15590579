from __future__ import annotations

import pytest

from curate.serving import client, server


@pytest.fixture(autouse=True)
def _quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between attempts, not their number."""
    monkeypatch.setattr(client, "FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(client, "JITTER_S", 0.01)
    monkeypatch.setattr(server, "PAUSE_S", 0.01)
