"""Questions of the probe: asked a few times, and answered well or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from curate.errors import SamplerError
from curate.sampling.dialect import Ask, Bad, Dialect, Served
from curate.sampling.hints import after_bad, after_failure, after_refusal
from curate.sampling.served import send, together
from curate.serving.client import Client
from curate.serving.failures import Failed, Refused

TRIES = 4


class Server(NamedTuple):
    """One server, and the question that all others are variations of: one completion at temperature 1."""

    client: Client
    dialect: Dialect
    base: Ask


async def first_answer(server: Server) -> Server:
    """Return the server with the smallest ``n_logprobs`` that gives one good completion; SamplerError where none does."""
    for n_logprobs in (0, 1):
        base = replace(server.base, n_logprobs=n_logprobs)
        try:
            (result,) = await asked(server, base)
        except Refused as error:
            if n_logprobs or not server.dialect.is_token_exact:
                raise SamplerError(f"{error}. {after_refusal(error, server.dialect.name)}") from error
            continue
        if isinstance(result, Served):
            return server._replace(base=base)
        if n_logprobs or result.reason != "no_logprobs":
            raise useless(server, result)
    raise AssertionError("unreachable")


async def asked(server: Server, ask: Ask) -> list[Served | Bad]:
    """Ask the same until every index is good, at most four times; what was good once stays."""
    results: list[Served | Bad] = [Bad("missing_choice", "nothing was asked")] * ask.n
    for _ in range(TRIES):
        try:
            reply = await send(server.client, server.dialect, ask)
        except Failed as error:
            raise SamplerError(f"the server did not answer the probe: {error}. {after_failure(error)}") from error
        results = [old if isinstance(old, Served) else new for old, new in zip(results, reply, strict=True)]
        if all(isinstance(result, Served) for result in results):
            break
    return results


async def good(server: Server, *asks: Ask) -> list[list[Served]]:
    """Return the completions of some requests that must all be answered well."""
    found = []
    for results in await together([asked(server, ask) for ask in asks]):
        for result in results:
            if isinstance(result, Bad):
                raise useless(server, result)
        found.append([result for result in results if isinstance(result, Served)])
    return found


def useless(server: Server, bad: Bad) -> SamplerError:
    return SamplerError(
        f"the server cannot be used with --api {server.dialect.name}: asked for a completion {TRIES} times, it gave a bad "
        f"one each time ({bad.reason}: {bad.detail}). {after_bad(bad, server.dialect)}"
    )
