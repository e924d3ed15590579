"""Settings for the whole suite."""

from __future__ import annotations

import os
import signal

import hypothesis  # noqa: F401  (imported before any test: its pytest plugin would import it while the run closes)

# Tests read what a terminal would show; no colour codes, one width.
os.environ.setdefault("NO_COLOR", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Where the suite was started in the background of a shell, SIGINT is ignored, here and in every process that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
