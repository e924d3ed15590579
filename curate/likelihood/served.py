"""Log-probs of given completions under a served model, read from the log-probs a server gives for a prompt's own tokens.

Prompt and completion go as one prompt. A server scores it before any sampling setting applies, so the log-probs are
those of temperature 1 (*raw*) whatever the samples' temperature was; vLLM does so in ``processed_logprobs`` mode too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from curate.errors import ServerError
from curate.serving import Client, Refused

# vLLM writes this for a log-prob it does not have.
CLAMPED = -9999.0
# What rounding may lift a log-prob above 0 in a reduced type; more is no log-prob.
ROUNDING = 1e-4
# A reply that cannot be right is asked for again so many times in all.
ASKED = 3
SHOWN = 300

Ids = Sequence[int]
Entry = tuple[Any, Any]  # a token id and its log-prob, as the server wrote them


class ReplyError(ServerError):
    """A reply whose log-probs cannot be those that were asked for; ``reason`` is one word for counts."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Route:
    """How a kind of server is asked for the log-probs of given tokens, and where they are in its reply.

    ``places`` gives one thing a completion token, ``entry`` reads it; any error in them is the reply's fault.
    """

    path: str
    body: Callable[[str, Ids, Ids], dict[str, Any]]
    places: Callable[[Any, int], list[Any]]
    entry: Callable[[Any, int], Entry]


class ServedScorer:
    """Score completions with the model that ``client``'s servers serve as ``model``.

    ``api`` is "vllm" or "sglang": plain OpenAI-compatible servers have no field for given tokens.
    """

    def __init__(self, client: Client, api: str, model: str) -> None:
        self.client = client
        self.model = model
        self.route = ROUTES[api]

    async def score(self, prompt: Ids, completion: Ids) -> list[float]:
        """Return the raw log-prob of each completion token after the prompt, nats <= 0, shape (T,).

        log p(token) = log_softmax(logits)[token]; neither prompt nor completion may be empty. Raises ReplyError where
        the replies to three requests are wrong (another length, other ids, not finite, above 0, clamped), Refused where
        the server refuses the row (too long, an id outside its vocabulary), Failed and Gone as ``Client.post`` does.
        """
        body = self.route.body(self.model, prompt, completion)
        n_tokens = len(prompt) + len(completion) + 1
        for asked in range(1, ASKED + 1):
            reply = await self.client.post(self.route.path, body, n_tokens)
            try:
                return self._read(reply, prompt, completion)
            except ReplyError:
                if asked == ASKED:
                    raise
        raise AssertionError("not reached")

    async def probe(self, prompt: Ids, completion: Ids) -> None:
        """Score one row; raises ServerError, with what the server answered, where it cannot."""
        try:
            await self.score(prompt, completion)
        except (Refused, ReplyError) as error:
            answer = f"HTTP {error.status}, {error.reply}" if isinstance(error, Refused) else error.detail
            raise ServerError(
                f"the server does not score given tokens as {self.model!r}: to POST {self.route.path} it answered "
                f"{answer}. Check --model and --api, or score in process with `curate logprob DIR --model PATH`"
            ) from error

    def _read(self, reply: Any, prompt: Ids, completion: Ids) -> list[float]:
        try:
            places = self.route.places(reply, len(prompt))
            if len(places) != len(completion):
                raise ReplyError("wrong_length", f"{len(places)} log-probs for {len(completion)} tokens")
            entries = map(self.route.entry, places, completion)
            return list(_checked(entries, completion))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ReplyError("no_logprobs", f"no log-probs of the prompt's tokens in {_shown(reply)}") from error


def _checked(entries: Iterator[Entry], completion: Ids) -> Iterator[float]:
    """Yield each log-prob where its id is the one that was sent and it is finite, not clamped and <= 0."""
    for place, ((token, value), sent) in enumerate(zip(entries, completion, strict=True), 1):
        where = f"at token {place} of {len(completion)}"
        if token != sent:
            raise ReplyError("wrong_ids", f"id {_shown(token)} for {sent} {where}")
        if isinstance(value, bool) or not math.isfinite(value):
            raise ReplyError("not_finite", f"log-prob {_shown(value)} {where}")
        if value > ROUNDING:
            raise ReplyError("above_zero", f"log-prob {value} {where}: logits, it seems")
        if value <= CLAMPED:
            raise ReplyError("clamped", f"log-prob {value} {where}, which stands for none")
        yield min(0.0, float(value))


def _vllm_body(model: str, prompt: Ids, completion: Ids) -> dict[str, Any]:
    return {
        "model": model,
        "prompt": [*prompt, *completion],
        "add_special_tokens": False,
        "prompt_logprobs": 0,
        "max_tokens": 1,
        "temperature": 1.0,
        "top_p": 1.0,
    }


def _vllm_places(reply: Any, n_prompt: int) -> list[Any]:
    """Return the tail of ``[null, {"ID": {"logprob": ..}}, ..]``, one object a token, keyed by the id."""
    places: list[Any] = reply["choices"][0]["prompt_logprobs"]
    return places[n_prompt:]


def _vllm_entry(place: dict[str, dict[str, Any]], sent: int) -> Entry:
    if str(sent) in place:  # others may stand beside it
        return sent, place[str(sent)]["logprob"]
    return next(iter(place)), None


def _sglang_body(model: str, prompt: Ids, completion: Ids) -> dict[str, Any]:
    return {
        "input_ids": [*prompt, *completion],
        "sampling_params": {"max_new_tokens": 1, "temperature": 1.0, "top_p": 1.0},
        "return_logprob": True,
        "logprob_start_len": len(prompt) - 1,
    }


def _sglang_places(reply: Any, n_prompt: int) -> list[Any]:
    """Return ``[[logprob, id, text], ..]`` but its first entry: that of the prompt's last token, without a log-prob."""
    answer = reply[0] if isinstance(reply, list) else reply
    places: list[Any] = answer["meta_info"]["input_token_logprobs"]
    return places[1:]


def _sglang_entry(place: list[Any], sent: int) -> Entry:
    logprob, token, *_ = place
    return (sent if token == 0 else token), logprob  # the last id of a vocabulary comes back as 0


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


ROUTES = {
    "vllm": Route("/v1/completions", _vllm_body, _vllm_places, _vllm_entry),
    "sglang": Route("/generate", _sglang_body, _sglang_places, _sglang_entry),
}
