"""What a kind of server is asked, and what its reply is read as: the records that every dialect shares."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from curate.sampling.completion import Setting

Finish = Literal["stop", "length", "abort", "other"]
Prompt = list[int] | list[dict[str, Any]]

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
_SHORT.maxlevel = 4


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: ``n`` completions of ``prompt`` (token ids, or messages where the server takes no ids).

    ``n_logprobs`` is how many alternatives are asked beside each token's own log-prob. ``vocab_size`` and ``end_ids``
    are what is known of the model's tokens: null and empty where nothing is.
    """

    prompt: Prompt
    n: int
    seed: int
    setting: Setting
    model: str
    n_logprobs: int = 0
    vocab_size: int | None = None
    end_ids: frozenset[int] = field(default=frozenset())


class Served(NamedTuple):
    """One completion that passed every check.

    Token ids (T,) with the end token where it was drawn, and their natural log-probs (T,); or the text alone, of a
    server that gives no ids.
    """

    ids: list[int] | None
    logprobs: list[float] | None
    text: str | None
    finish_reason: Finish


@dataclass(frozen=True, slots=True)
class Bad:
    """Why the completion of one index cannot be used: a word, and a sentence that quotes the reply."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server.

    ``request`` gives path and body, ``read`` one result for each index 0..n-1 and never raises. ``is_token_exact``: the
    server takes and gives token ids with log-probs.
    """

    name: str
    is_token_exact: bool
    request: Callable[[Ask], tuple[str, dict[str, Any]]]
    read: Callable[[Any, Ask], list[Served | Bad]]


def short(value: object) -> str:
    """Return a value of a reply in at most a few hundred characters, however deep or large it is."""
    return _SHORT.repr(value)[:300]
