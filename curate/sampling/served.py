"""Sample whole groups from a served model: split over requests, checked, and asked again where something is missing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from curate.errors import SamplerError
from curate.sampling.completion import Setting
from curate.sampling.counted import Counted
from curate.sampling.dialect import Ask, Bad, Dialect, Prompt, Served
from curate.sampling.openai import OPENAI
from curate.sampling.probed import Probed
from curate.sampling.requests import runs
from curate.sampling.sglang import SGLANG
from curate.sampling.vllm import VLLM
from curate.serving.client import Client
from curate.serving.failures import Failed, Refused

DIALECTS = {dialect.name: dialect for dialect in (VLLM, SGLANG, OPENAI)}
ROUNDS = 4  # the first, and three more for what was missing
_OF_THE_PROMPT = frozenset({400, 413, 422})
_CHARACTERS_A_TOKEN = 3

UNPROBED = Probed()

T = TypeVar("T")


class SamplingFailed(SamplerError):  # noqa: N818 - what became of one group, not of the program
    """One group could not be sampled whole; ``is_final``: asking again is of no use. ``reason`` is a word."""

    def __init__(self, reason: str, detail: str, is_final: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.is_final = is_final


class ServedSampler:
    """Sample completions of a served model under one setting.

    ``probed`` is what ``probe`` found out of the server. ``vocab_size`` and ``end_ids`` are those of the model, where
    known: ids outside are refused, and truncation is told by them.
    """

    def __init__(
        self,
        client: Client,
        dialect: Dialect,
        model: str,
        setting: Setting,
        probed: Probed = UNPROBED,
        *,
        vocab_size: int | None = None,
        end_ids: frozenset[int] = frozenset(),
    ) -> None:
        self.client = client
        self.dialect = dialect
        self.model = model
        self.setting = setting
        self.probed = probed
        self.vocab_size = vocab_size
        self.end_ids = end_ids
        self.n_bad: Counter[str] = Counter()
        self.counted = Counted()

    def reason(self, prompt: Prompt, setting: Setting) -> str | None:
        """Return why a prompt cannot be sampled from, or null: empty_prompt, unknown_token, prompt_too_long.

        Of messages only the first can be told.
        """
        if not prompt:
            return "empty_prompt"
        ids = [each for each in prompt if isinstance(each, int)]
        if not ids:
            return None
        if min(ids) < 0 or (self.vocab_size is not None and max(ids) >= self.vocab_size):
            return "unknown_token"
        most = self.probed.max_length
        return "prompt_too_long" if most is not None and len(ids) + setting.max_new_tokens > most else None

    async def sample(self, prompt: Prompt, n: int, seed: int) -> list[Served]:
        """Sample n completions: number i has seed ``seed + i``, or no known one where the server knows no seeds.

        Indices that are missing or bad are asked again, at most three times, with their own seeds. Never returns a
        part of a group: raises SamplingFailed for this group, Gone where no server answers, and SamplerError where one
        refuses the key or the model.
        """
        found: dict[int, Served] = {}
        bad: list[Bad] = []
        for _ in range(ROUNDS):
            missing = [index for index in range(n) if index not in found]
            if not missing:
                break
            spans = runs(missing, self.probed.max_n)
            replies = await together([self._ask(prompt, count, seed + first) for first, count in spans])
            results = [result for reply in replies for result in reply]
            bad = [result for result in results if isinstance(result, Bad)]
            if not bad and len(results) == n:  # every one at once, as nearly always
                return [each for each in results if isinstance(each, Served)]
            self.n_bad.update(each.reason for each in bad)
            found |= {index: each for index, each in zip(missing, results, strict=True) if isinstance(each, Served)}
        if len(found) < n:
            raise SamplingFailed(
                bad[-1].reason, f"{n - len(found)} of {n} completions were bad {ROUNDS} times: {bad[-1].detail}"
            )
        return [found[index] for index in range(n)]

    async def _ask(self, prompt: Prompt, n: int, seed: int) -> list[Served | Bad]:
        known = (self.probed.n_logprobs, self.vocab_size, self.end_ids)
        ask = Ask(prompt, n, seed, self.setting, self.model, *known)
        try:
            reply = await _post(self.client, self.dialect, ask)
        except Refused as error:
            if error.is_for_every_request:
                raise SamplerError(
                    f"{error}. What was sampled is kept: run the same command again when it is mended"
                ) from error
            raise SamplingFailed("refused", str(error), error.status in _OF_THE_PROMPT) from error
        except Failed as error:
            raise SamplingFailed(error.reason, str(error)) from error
        self.counted.add(reply)
        return self.dialect.read(reply, ask)


async def send(client: Client, dialect: Dialect, ask: Ask) -> list[Served | Bad]:
    """Send one request and read its reply; raises what ``Client.post`` raises."""
    return dialect.read(await _post(client, dialect, ask), ask)


async def _post(client: Client, dialect: Dialect, ask: Ask) -> Any:
    path, body = dialect.request(ask)
    return await client.post(path, body, most_tokens(ask))


def most_tokens(ask: Ask) -> int:
    """Return the most tokens a request may hold on the server; those of messages are guessed by their length."""
    are_ids = all(isinstance(each, int) for each in ask.prompt[:1])  # a prompt is ids or messages, never both
    n_prompt = len(ask.prompt) if are_ids else sum(len(str(each)) // _CHARACTERS_A_TOKEN for each in ask.prompt)
    return n_prompt + ask.n * ask.setting.max_new_tokens


async def together(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at the same time; the first error ends the others and is raised as it is."""
    if len(coroutines) == 1:
        return [await coroutines[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
