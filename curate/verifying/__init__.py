"""Verifiers: programs that say whether a completion is correct. They know records and errors, never tables."""

from curate.verifying.registry import VERIFIERS, get
from curate.verifying.verifier import Verifier

__all__ = ["VERIFIERS", "Verifier", "get"]
