"""Checks on one choice of a reply. A choice that fails one is bad as a whole: nothing in it is repaired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

from curate.sampling.dialect import Ask, Bad, Finish, Served, short

CLAMPED = -9999.0  # what vLLM writes where it has no log-prob, and more than any sampled token can be unlikely
ROUNDING = 1e-6
_LARGEST = 2**31  # token ids are stored as 32-bit integers
_PLAIN: tuple[Finish, ...] = ("stop", "length")

_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "abort": "abort"}


def by_index(choices: object, n: int) -> list[dict[str, Any] | Bad]:
    """Return the choice of every index 0..n-1, or why there is none.

    An index that comes twice is bad in both: either could be another's. One that is out of range makes the whole reply
    bad, for the others may be shifted.
    """
    if not isinstance(choices, list):
        return [Bad("no_choices", f"the reply has no list of choices but {short(choices)}")] * n
    found: list[dict[str, Any] | Bad] = [Bad("missing_choice", f"{len(choices)} choices came, {n} were asked")] * n
    seen: set[int] = set()
    for choice in choices:
        index = choice.get("index") if isinstance(choice, dict) else None
        if type(index) is not int or not 0 <= index < n:
            return [Bad("wrong_index", f"a choice has index {short(index)}, and {n} were asked")] * n
        found[index] = Bad("doubled_choice", f"index {index} came twice") if index in seen else choice
        seen.add(index)
    return found


def all_exact(ids: Sequence[Any], logprobs: Sequence[Any], said: Sequence[Any], ask: Ask) -> list[Served] | None:
    """Return all completions of a reply where ``exact`` would keep every one of them as it is, or null.

    Null: one may be bad, or needs a log-prob rounded; ``exact`` tells. The values of all are checked strung together,
    which costs little more than half of one completion after the other.
    """
    if {*map(type, ids), *map(type, logprobs)} != {list}:
        return None
    lengths = [*map(len, ids)]
    if lengths != [*map(len, logprobs)] or not 0 < min(lengths) <= max(lengths) <= ask.setting.max_new_tokens:
        return None
    all_ids = [*chain.from_iterable(ids)]
    if set(map(type, all_ids)) != {int}:
        return None
    different = set(all_ids)
    if min(different) < 0 or max(different) >= _n_ids(ask):
        return None
    if not _are_logprobs([*chain.from_iterable(logprobs)]) or sum(map(said.count, _PLAIN)) != len(said):
        return None
    if not ask.end_ids.isdisjoint(different) and not all(map(ask.end_ids.isdisjoint, [each[:-1] for each in ids])):
        return None
    finishes = [ended(finish, each, ask) for finish, each in zip(said, ids, strict=True)]
    return [*map(Served, ids, logprobs, repeat(None), finishes)]


def exact(ids: object, logprobs: object, said: object, ask: Ask) -> Served | Bad:
    """Return a completion of token ids where ids, log-probs and the reason it ended all hold.

    A log-prob above 0 by rounding (up to 1e-6) becomes 0. Whether the completion was cut is told by its ids.
    """
    if not isinstance(ids, list):
        return Bad("no_ids", f"the token ids are {short(ids)}")
    if not isinstance(logprobs, list):
        return Bad("no_logprobs", f"the log-probs are {short(logprobs)}")
    if why := _ids_reason(ids, ask) or _logprobs_reason(logprobs, len(ids)):
        return why
    finish = finish_reason(said)
    if isinstance(finish, Bad):
        return finish
    if max(logprobs) > 0:
        logprobs = [min(logprob, 0.0) for logprob in logprobs]
    return Served(ids, logprobs, None, ended(finish, ids, ask))


def finish_reason(said: object) -> Finish | Bad:
    """Return the reason a server gave in our words; an aborted completion is bad, for it is no draw from the policy."""
    if not isinstance(said, str):
        return Bad("no_finish_reason", f"the finish reason is {short(said)}")
    finish = _FINISH.get(said, "other")
    return Bad("aborted", "the server aborted the completion") if finish == "abort" else finish


def ended(said: Finish, ids: list[int], ask: Ask) -> Finish:
    """Return how a completion ended by its ids: ``stop`` with an end token, ``length`` with as many ids as were allowed.

    Otherwise, and for ``other``, what the server said: it may know end tokens that we do not, or a shorter context.
    """
    if said == "other":
        return said
    if ids[-1] in ask.end_ids:
        return "stop"
    return "length" if len(ids) >= ask.setting.max_new_tokens else said


def _are_logprobs(values: list[float]) -> bool:
    if not set(map(type, values)) <= {float, int}:
        return False
    # none above 0 and all together above the clamp: so is each, and none is NaN
    return max(values) <= 0 and (sum(values) > CLAMPED or (min(values) > CLAMPED and math.isfinite(sum(values))))


def _n_ids(ask: Ask) -> int:
    return _LARGEST if ask.vocab_size is None else ask.vocab_size


def _ids_reason(ids: list[Any], ask: Ask) -> Bad | None:
    if not ids:
        return Bad("no_tokens", "the completion has no tokens, not even an end token")
    if set(map(type, ids)) != {int} or min(ids) < 0:
        return Bad("bad_ids", f"the token ids are {short(ids)}")
    if max(ids) >= _n_ids(ask):
        return Bad("unknown_token", f"token id {short(max(ids))} is outside the vocabulary of {ask.vocab_size}")
    if len(ids) > ask.setting.max_new_tokens:
        return Bad("too_many_ids", f"{len(ids)} tokens came, at most {ask.setting.max_new_tokens} were asked")
    if not ask.end_ids.isdisjoint(ids[:-1]):
        return Bad("past_its_end", f"the completion goes on after an end token: {short(ids)}")
    return None


def _logprobs_reason(logprobs: list[Any], n: int) -> Bad | None:
    if len(logprobs) != n:
        return Bad("lengths_differ", f"{n} token ids came with {len(logprobs)} log-probs")
    if not set(map(type, logprobs)) <= {float, int}:
        return Bad("bad_logprobs", f"the log-probs are {short(logprobs)}")
    low, high = min(logprobs), max(logprobs)
    if high > ROUNDING and high != math.inf:
        return Bad("positive", f"a log-prob is {short(high)}, above 0")
    if low <= CLAMPED and low != -math.inf:
        return Bad("clamped", f"a log-prob is {short(low)}: the server had none and wrote this")
    if not math.isfinite(sum(logprobs)):
        return Bad("not_finite", f"the log-probs are {short(logprobs)}")
    return None
