"""Settings for the whole suite."""

from __future__ import annotations

import os

import hypothesis  # noqa: F401  (imported before any test: its pytest plugin would import it while the run closes)

# Tests read what a terminal would show; no colour codes, one width.
os.environ.setdefault("NO_COLOR", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
