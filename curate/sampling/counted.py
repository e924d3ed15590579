"""Tokens as the servers count them: what a user pays for, completions that were thrown away among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Counted:
    """Tokens of all replies so far; ``n_silent`` replies did not say how many they took, and are not among them."""

    n_prompt: int = 0
    n_completion: int = 0
    n_silent: int = 0

    def add(self, reply: Any) -> None:
        """Count one reply: the ``usage`` of the OpenAI interface, or SGLang's ``meta_info`` of each completion.

        The prompt of a request counts once, however many completions there are.
        """
        found = _counts(reply["usage"]) if isinstance(reply, dict) and "usage" in reply else _meta(reply)
        if found is None:
            self.n_silent += 1
        else:
            self.n_prompt += found[0]
            self.n_completion += found[1]


def _meta(reply: Any) -> tuple[int, int] | None:
    metas = [
        one.get("meta_info") if isinstance(one, dict) else None
        for one in (reply if isinstance(reply, list) else [reply])
    ]
    counts = [counted for meta in metas if (counted := _counts(meta))]
    if not counts or len(counts) < len(metas):
        return None
    return counts[0][0], sum(n_completion for _, n_completion in counts)


def _counts(found: object) -> tuple[int, int] | None:
    """Return the tokens of prompt and completion, where both are there and can be."""
    if not isinstance(found, dict):
        return None
    n_prompt, n_completion = found.get("prompt_tokens"), found.get("completion_tokens")
    if isinstance(n_prompt, int) and isinstance(n_completion, int) and min(n_prompt, n_completion) >= 0:
        return n_prompt, n_completion
    return None
