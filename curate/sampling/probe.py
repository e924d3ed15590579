"""Ask a server a few small questions before any work, and refuse it where its answers would make bad data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from curate.errors import SamplerError
from curate.sampling.asking import Server, first_answer, good
from curate.sampling.children import SEED, seeds
from curate.sampling.completion import Setting
from curate.sampling.context import longest, room
from curate.sampling.dialect import Ask, Dialect, Prompt, Served
from curate.sampling.probed import Probed, noted
from curate.sampling.requests import MAX_N
from curate.sampling.semantics import COLD, GREEDY, NARROW, is_applied, semantics, unsure_places
from curate.serving.client import Client
from curate.serving.limits import Limits

PLACES = 4


async def probe_all(
    urls: Sequence[str],
    limits: Limits,
    api_key: str | None,
    dialect: Dialect,
    model: str,
    setting: Setting,
    prompt: Prompt,
    **known: Any,
) -> Probed:
    """Probe every server by itself, and return what holds for all of them; see ``probe``.

    Raises SamplerError where their log-probs are not of one kind.
    """
    found = []
    for url in urls:
        async with Client([url], limits, api_key) as client:
            found.append(await probe(client, dialect, model, setting, prompt, **known))
    return in_common(dict(zip(urls, found, strict=True)))


async def probe(
    client: Client,
    dialect: Dialect,
    model: str,
    setting: Setting,
    prompt: Prompt,
    *,
    n: int = MAX_N,
    vocab_size: int | None = None,
    end_ids: frozenset[int] = frozenset(),
) -> Probed:
    """Find out how a server samples: exact ids, kind of log-probs, what n and seed do, longest context.

    ``prompt`` is a real one of the job, its shortest; at most ``n`` completions are asked in one request. About 30
    small requests. Raises SamplerError where the server cannot be used, with what it answered and what to do, and
    Gone where there is none.
    """
    max_length, note = await longest(client, model)
    n_tokens = room(prompt, setting, max_length)
    base = Ask(prompt, 1, SEED, Setting(max_new_tokens=n_tokens), model, 0, vocab_size, end_ids)
    server = await first_answer(Server(client, dialect, base))
    probed = noted(Probed(None, max_length, n_logprobs=server.base.n_logprobs), note)
    if not dialect.is_token_exact:
        probed = noted(probed, "no token ids: text alone is stored, and its log-probs are left out")
    if not setting.temperature:  # no luck, so no seeds, and vLLM refuses n > 1
        kind = semantics(setting, None, None) if dialect.is_token_exact else None
        return replace(probed, logprob_semantics=kind, children="own request", max_n=1)
    probed, samples = await seeds(server, probed, min(n, MAX_N))
    if not dialect.is_token_exact:
        return probed
    return await _semantics(server, probed, setting, samples)


def in_common(found: dict[str, Probed]) -> Probed:
    """Return what holds for all servers, given by URL; SamplerError where their log-probs are not of one kind."""
    kinds = {probed.logprob_semantics for probed in found.values()}
    if len(kinds) > 1:
        said = "; ".join(f"{url}: {probed.logprob_semantics or 'unknown'}" for url, probed in found.items())
        raise SamplerError(f"the servers give log-probs of different kinds ({said}): start them with the same options")
    probes = list(found.values())
    lengths = [probed.max_length for probed in probes if probed.max_length is not None]
    order = ("seed + i", "own request", "none")
    return Probed(
        logprob_semantics=probes[0].logprob_semantics,
        max_length=min(lengths, default=None),
        children=max((probed.children for probed in probes), key=order.index),
        max_n=min(probed.max_n for probed in probes),
        n_logprobs=max(probed.n_logprobs for probed in probes),
        notes=tuple(dict.fromkeys(note for probed in probes for note in probed.notes)),
    )


async def _semantics(server: Server, probed: Probed, setting: Setting, samples: list[Served]) -> Probed:
    """Return what the log-probs are of; asked only where temperature or top_p make a difference."""
    if setting.temperature == 1 and setting.top_p == 1:
        return replace(probed, logprob_semantics="processed")
    assert all(isinstance(each, int) for each in server.base.prompt)
    places = [[*server.base.prompt, *ids] for ids in unsure_places(samples, PLACES)]
    greedy, cold, narrow = [
        [group[0] for group in await good(server, *(_at(server.base, place, changed) for place in places))]
        for changed in (GREEDY, COLD, NARROW)
    ]
    found = semantics(setting, is_applied(greedy, cold), is_applied(greedy, narrow))
    return noted(replace(probed, logprob_semantics=found), _meaning(found, setting, server.dialect))


def _at(base: Ask, place: Any, changed: Setting) -> Ask:
    """Return a question that goes on from a place in a completion: one less token is left of what was asked there."""
    most = max(1, base.setting.max_new_tokens - (len(place) - len(base.prompt)))
    return replace(
        base, prompt=place, seed=0, setting=replace(changed, max_new_tokens=min(changed.max_new_tokens, most))
    )


def _meaning(found: str | None, setting: Setting, dialect: Dialect) -> str | None:
    at = f"temperature {setting.temperature:g}, top_p {setting.top_p:g}"
    way_out = "; start vLLM with --logprobs-mode processed_logprobs" if dialect.name == "vllm" else ""
    if found == "raw":
        return (
            f"the log-probs are raw, those at temperature 1 and top_p 1: not of the distribution sampled from ({at}), so "
            f"they cannot stand as behaviour log-probs{way_out}"
        )
    if found is None:
        return f"the log-probs at {at} are neither raw nor of the distribution sampled from, or cannot be told{way_out}"
    return None
