"""Verifiers: programs that say whether a completion is correct. They know records and errors, never tables."""

from curate.verifying.registry import factory, get, names
from curate.verifying.verifier import Limits, Verifier

__all__ = ["Limits", "Verifier", "factory", "get", "names"]
