"""What n and the seed do: whether sample i of a request has the seed plus i."""

from __future__ import annotations

from dataclasses import replace

from curate.errors import SamplerError
from curate.sampling.asking import Server, asked, good
from curate.sampling.coincidence import DECISIVE, log_odds
from curate.sampling.dialect import Bad, Served
from curate.sampling.probed import Probed, noted
from curate.serving.failures import Refused

ALONE = 4
SEED = 1_000_003


async def seeds(server: Server, probed: Probed, n: int) -> tuple[Probed, list[Served]]:
    """Return how n and seeds act, and some completions at temperature 1.

    Four completions asked alone with neighbouring seeds are compared with the same four asked again, with each other,
    and with the first four children of one request.
    """
    alone = [replace(server.base, seed=SEED + index) for index in range(ALONE)]
    first = [group[0] for group in await good(server, *alone)]
    again = [group[0] for group in await good(server, *alone)]
    if log_odds((first[0], other) for other in first[1:]) >= DECISIVE * (ALONE - 1) and first[0].ids is not None:
        raise SamplerError(
            f"the server gives the same completion for different seeds, {first[0].ids[:12]}: every sample of a group would "
            "be a copy. Look for a cache or a fixed seed in front of the model"
        )
    children, note = await _children(server, n)
    is_seeded = log_odds(zip(first, again, strict=True)) > -DECISIVE
    if not is_seeded:
        return _unseeded(server, probed, children, note), first
    if n > 1 and log_odds(zip(first[1:], children[1:], strict=False)) < DECISIVE:
        note = note or "the samples of one request do not have the seeds seed + i"
        return noted(
            replace(probed, children="own request", max_n=1),
            f"{note}: every sample is asked for alone, which is slower",
        ), first
    return replace(probed, max_n=n), first


async def _children(server: Server, n: int) -> tuple[list[Served], str | None]:
    """Return the children of one request, empty where the server gives no n of them, and a note that says why."""
    try:
        results = await asked(server, replace(server.base, n=n))
    except Refused as error:
        return [], f"the server refuses {n} completions in one request (HTTP {error.status}: {error.reply[:200]})"
    whole = [result for result in results if isinstance(result, Served)]
    if len(whole) == n:
        return whole, None
    bad = next(result for result in results if isinstance(result, Bad))
    return [], f"the server does not give {n} completions in one request ({bad.reason}: {bad.detail})"


def _unseeded(server: Server, probed: Probed, children: list[Served], note: str | None) -> Probed:
    """Return what holds where seeds do nothing: children of one request are fine, unless they are copies."""
    copies = [(children[0], other) for other in children[1:ALONE]]
    is_shared = not children or log_odds(copies) >= DECISIVE * 2
    told = "the server does not heed seeds: the same request gives other completions, and no seed is stored"
    if server.dialect.name == "sglang":
        told += " (SGLang heeds them with --enable-deterministic-inference)"
    probed = noted(replace(probed, children="none", max_n=1 if is_shared else len(children)), told)
    return noted(probed, note) if note else probed
