"""Settings for the whole suite."""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys

import hypothesis  # noqa: F401  (imported before any test: its pytest plugin would import it while the run closes)
import typer.testing

# Tests read what a terminal would show; no colour codes, one width.
os.environ.setdefault("NO_COLOR", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Where the suite was started in the background of a shell, SIGINT is ignored, here and in every process that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# CliRunner makes the command line anew each time it is invoked, from the signatures of all verbs; these do not change.
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]


MANY = 200  # modules that a test has imported: transformers, say, which tests import when they need it
_n_frozen = 0


def pytest_runtest_teardown() -> None:
    """Take modules, which stay, out of what every garbage collection walks over: each training run makes a full one."""
    global _n_frozen
    if len(sys.modules) >= _n_frozen + MANY:
        gc.collect()
        gc.freeze()
        _n_frozen = len(sys.modules)


def pytest_unconfigure() -> None:
    """Let the end of the interpreter find them again."""
    gc.unfreeze()
