"""A client for served models: many requests at once, several servers, nothing lost where a server falters."""

from __future__ import annotations

from curate.serving.client import Client
from curate.serving.failures import Failed, Gone, Refused
from curate.serving.limits import Limits
from curate.serving.usage import Usage

__all__ = ["Client", "Failed", "Gone", "Limits", "Refused", "Usage"]
