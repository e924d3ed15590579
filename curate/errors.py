"""Errors a user can meet. Each message says what was wrong, where, and what to do.

CurateError
├── ConfigError      a wrong command, parameter, path or job file: raised before any work; exit code 2
├── ContractError    a table or file breaks its contract; exit code 1
├── BoundaryError    something outside this process failed; exit code 1
│   ├── ServerError
│   ├── SamplerError
│   ├── VerifierError
│   └── JudgeError
└── ShareError       a stage ended, and too many of its rows were bad; exit code 1
"""

from __future__ import annotations

from collections.abc import Iterable


class CurateError(Exception):
    """Base of every error whose message is meant for a person."""

    exit_code = 1


class ConfigError(CurateError):
    """A wrong command, parameter, path or job file, found before any work."""

    exit_code = 2


class ContractError(CurateError):
    """A table or file that breaks its contract."""


class BoundaryError(CurateError):
    """Something outside this process failed: a server, a verifier's process, a judge."""


class ServerError(BoundaryError):
    """A served model did not answer, or refused a request."""


class SamplerError(BoundaryError):
    """A server or local model that samples completions failed."""


class VerifierError(BoundaryError):
    """A verifier failed as a program (a wrong answer is a verdict, never an error)."""


class JudgeError(BoundaryError):
    """A judge failed or its reply could not be read."""


class ShareError(CurateError):
    """A stage finished, but its share of rejected or failed rows is above the limit."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known word closest to ``word``; empty where none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
