"""The verifiers by name."""

from __future__ import annotations

from curate.errors import ConfigError, did_you_mean
from curate.verifying.exact import exact
from curate.verifying.gsm8k import gsm8k
from curate.verifying.numeric import numeric
from curate.verifying.verifier import Verifier

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in (exact, gsm8k, numeric)}


def get(name: str) -> Verifier:
    """Look a verifier up by name; raises ConfigError, which lists the known names, for any other."""
    if name in VERIFIERS:
        return VERIFIERS[name]
    hint = did_you_mean(name, VERIFIERS)
    raise ConfigError(f"no verifier is called {name!r}{hint}; known: {', '.join(sorted(VERIFIERS))}")
