"""What a judge's server is and takes, found out before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from curate.errors import JudgeError
from curate.judging.served import DEFAULT_CONTEXT, PATH, TOO_LONG, Poster, reason_of, schema
from curate.serving import Failed, Refused

_QUESTION = (
    'Reply with one JSON object and nothing else: {"reason": "a probe", "first_error_step": -1}. It says that no step is '
    "wrong."
)
_MAX_REPLY_TOKENS = 64
_SHOWN = 300


class Asker(Poster, Protocol):
    """What the probe needs of ``curate.serving.Client``."""

    async def get(self, path: str) -> list[Any]: ...


@dataclass(frozen=True)
class Probed:
    """What a judge's server is: the tokens of its context, and whether it takes ``response_format``."""

    context: int
    takes_schema: bool
    note: str | None = None


async def probe(client: Asker, model: str, context: int | None = None) -> Probed:
    """Ask the server which context it has and for one short verdict, with a JSON schema and, if refused, without.

    ``context`` from the user wins over what ``/v1/models`` says; several servers: the smallest. Where nobody says, 8,192
    tokens are assumed and ``note`` says so. Raises JudgeError with what the server answered where it does not answer as
    a chat model, Gone where it cannot be reached. A context too short for the probe is no error here: ``ServedJudge`` then
    asks nothing.
    """
    served, lengths = await _models(client, model)
    note = None
    if context is None and not lengths:
        note = f"the server does not say how long its context is: {DEFAULT_CONTEXT:,} tokens are assumed (--context N)"
    takes_schema = await _takes_schema(client, model, served)
    return Probed(context or min(lengths, default=DEFAULT_CONTEXT), takes_schema, note)


async def _models(client: Asker, model: str) -> tuple[list[str], list[int]]:
    """Return the names of the models that are served and, where they say it, the context lengths of this one."""
    try:
        replies = await client.get("/v1/models")
    except (Refused, Failed):  # a server need not have this page
        return [], []
    pages = [_cards(reply) for reply in replies]
    cards = [card for page in pages for card in page]
    has_it = [any(card.get("id") == model for card in page) for page in pages]
    if any(has_it) and not all(has_it):
        names = ", ".join(str(card.get("id")) for card in pages[has_it.index(False)])
        raise JudgeError(f"server {has_it.index(False) + 1} of {len(pages)} does not serve {model}, it serves {names}")
    lengths = [card.get("max_model_len") for card in cards if card.get("id") == model]
    return [str(card.get("id")) for card in cards], [n for n in lengths if type(n) is int and n > 0]


def _cards(reply: Any) -> list[dict[str, Any]]:
    found = reply.get("data") if isinstance(reply, dict) else None
    return [card for card in found if isinstance(card, dict)] if isinstance(found, list) else []


async def _takes_schema(client: Asker, model: str, served: list[str]) -> bool:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_tokens": _MAX_REPLY_TOKENS,
        "temperature": 0.0,
    }
    try:
        _check(await client.post(PATH, body | {"response_format": schema()}, 2 * _MAX_REPLY_TOKENS))
    except (Refused, Failed):  # some servers fail with 500 on an option they do not know
        try:
            _check(await client.post(PATH, body, 2 * _MAX_REPLY_TOKENS))
        except (Refused, Failed) as error:
            if isinstance(error, Refused) and reason_of(error) == TOO_LONG:
                return False  # a tiny context: every judgment will say so
            known = f" It serves {', '.join(served)}." if served and model not in served else ""
            raise JudgeError(f"{model} cannot judge over {PATH}: {error}.{known} {_way_out(error)}") from error
        return False
    return True


def _way_out(error: Refused | Failed) -> str:
    if isinstance(error, Refused) and error.status in (401, 403):
        return "Set the server's key in the environment variable CURATE_API_KEY, or name another with --api-key-env."
    return "A judge is a chat model behind an OpenAI-compatible server: correct --server and --model."


def _check(reply: Any) -> None:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict) and "message" in choices[0]):
        raise JudgeError(
            f"the server's reply is no chat completion: {str(reply)[:_SHOWN]}. Give the --server of a chat model"
        )
