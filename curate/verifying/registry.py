"""The verifiers by name."""

from __future__ import annotations

from collections.abc import Mapping

from curate.errors import ConfigError, did_you_mean
from curate.verifying.exact import exact
from curate.verifying.gsm8k import gsm8k
from curate.verifying.numeric import numeric
from curate.verifying.verifier import Verifier

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in (exact, gsm8k, numeric)}


def get(name: str, also: Mapping[str, Verifier] | None = None) -> Verifier:
    """Look a verifier up by name, here and in ``also``; raises ConfigError, which lists the known names, for any other."""
    known = {**VERIFIERS, **(also or {})}
    if name in known:
        return known[name]
    raise ConfigError(f"no verifier is called {name!r}{did_you_mean(name, known)}; known: {', '.join(sorted(known))}")
