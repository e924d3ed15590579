"""The verifiers by name."""

from __future__ import annotations

from difflib import get_close_matches

from curate.errors import ConfigError
from curate.verifying.exact import exact
from curate.verifying.gsm8k import gsm8k
from curate.verifying.numeric import numeric
from curate.verifying.verifier import Verifier

VERIFIERS: dict[str, Verifier] = {verifier.name: verifier for verifier in (exact, gsm8k, numeric)}


def get(name: str) -> Verifier:
    """Look a verifier up by name; raises ConfigError, which lists the known names, for any other."""
    if name in VERIFIERS:
        return VERIFIERS[name]
    close = get_close_matches(name, VERIFIERS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"no verifier is called {name!r}{hint} (known: {', '.join(sorted(VERIFIERS))})")
