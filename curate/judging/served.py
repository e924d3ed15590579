"""A step judge behind a server: chat completions, several votes, windows, one stricter retry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import orjson

from curate.errors import JudgeError
from curate.judging.material import block, numbered
from curate.judging.replies import Reply, judgment
from curate.judging.texts import JudgeText
from curate.judging.tokens import estimate
from curate.judging.verdict import FIELD, MAX_REPLY_CHARS, read_verdict, verdicts_in
from curate.judging.windows import windows
from curate.records import Judgment, Step
from curate.serving import Failed, Refused

PATH = "/v1/chat/completions"
VOTE_TEMPERATURE = 0.7
DEFAULT_CONTEXT = 8192
TOO_LONG = "too_long"
FAILURES = ("unreadable_reply", "incomplete", "refused", "timeout", "server_error", TOO_LONG)
"""Why a judge that was asked gave no judgment. ``timeout`` and ``server_error`` may go away when it is asked again."""
TRANSIENT = frozenset({"timeout", "server_error"})


class Poster(Protocol):
    """What a judge needs of ``curate.serving.Client``."""

    async def post(self, path: str, body: dict[str, Any], n_tokens: int) -> Any: ...


@dataclass
class Asked:
    """What a judge has asked so far; tokens as the server counts them, 0 where it does not say."""

    n_requests: int = 0
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
    n_cut: int = 0

    def add(self, reply: Any) -> None:
        """Count one answered request."""
        usage = reply.get("usage") if isinstance(reply, dict) else None
        self.n_requests += 1
        self.n_prompt_tokens += _count(usage, "prompt_tokens")
        self.n_reply_tokens += _count(usage, "completion_tokens")
        self.n_cut += _choice(reply).get("finish_reason") == "length"


class ServedJudge:
    """Ask a served model for the first wrong step of a completion.

    One vote is asked at temperature 0, several at 0.7 with a seed each. ``scores`` are names of further scores, 0..10.
    ``context`` is the number of tokens the model reads and writes at most; ``takes_schema`` says that the server takes
    ``response_format`` (``curate.judging.probe`` finds both out).
    """

    def __init__(
        self,
        client: Poster,
        model: str,
        *,
        votes: int = 1,
        scores: Sequence[str] = (),
        context: int = DEFAULT_CONTEXT,
        max_reply_tokens: int = 1024,
        takes_schema: bool = False,
    ) -> None:
        self.asked = Asked()
        self._client = client
        self._model = model
        self._votes = votes
        self._scores = tuple(scores)
        self._max_reply_tokens = min(max_reply_tokens, context // 2)
        self._context = context
        self.about = {"context": context, "takes_schema": takes_schema}
        self._format = {"response_format": schema(self._scores)} if takes_schema else {}
        self._text = JudgeText("first_error")
        self._system = _system(self._text, self._scores)
        self.prompt_hash = prompt_hash(self._scores)

    async def judge(self, problem: str, reference: str | None, steps: Sequence[Step]) -> Judgment:
        """Return the judgment; its ``error`` says why where there is none.

        Raises Gone where no server answers, and JudgeError where one refuses the key or the model.

        A group of steps too long for the context is read in windows, earlier steps first, until one has a mistake.
        No steps, and a problem or step that does not fit: an error, and nothing is asked.
        """
        if not steps:
            return Judgment(error="no steps")
        given = self._given(problem, reference)
        room = self._context - self._max_reply_tokens - estimate(self._system) - self._frame_tokens(given)
        ranges = windows([_step_tokens(step) for step in steps], room)
        if ranges is None:
            return Judgment(error=TOO_LONG)
        quotes = quotable(problem, reference, steps)
        votes = await together(self._vote(vote, given, steps, ranges, quotes) for vote in range(self._votes))
        replies = [reply for vote in votes for reply in vote]
        return judgment(replies, len(steps), self._votes, self._scores, quotes)

    async def _vote(
        self, vote: int, given: dict[str, str], steps: Sequence[Step], ranges: list[tuple[int, int]], quotes: list[Any]
    ) -> list[Reply]:
        replies: list[Reply] = []
        for first, last in ranges:
            messages = self._messages(given, steps, first, last)
            for is_retry in (False, True):
                reply = await self._ask(vote, first, last, messages, is_retry)
                replies.append(reply)
                verdict = None if reply.text is None else read_verdict(reply.text, first, last, self._scores, quotes)
                if verdict or reply.error:
                    break
            if verdict is None or verdict.first_error_step is not None:
                break
        return replies

    async def _ask(self, vote: int, first: int, last: int, messages: list[str], is_retry: bool) -> Reply:
        system, user = messages
        user += self._text.fill("retry", first=first, last=last) if is_retry else ""
        body = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_tokens": self._max_reply_tokens,
            "temperature": VOTE_TEMPERATURE if self._votes > 1 else 0.0,
            **({"seed": seed_of(user, vote)} if self._votes > 1 else {}),
            **self._format,
        }
        try:
            reply = await self._client.post(PATH, body, estimate(system) + estimate(user) + self._max_reply_tokens)
        except (Refused, Failed) as error:
            refuse_every_request(error)
            return Reply(vote, first, last, error=reason_of(error))
        self.asked.add(reply)
        return Reply(vote, first, last, text_of(reply))

    def _given(self, problem: str, reference: str | None) -> dict[str, str]:
        without = self._text.fill("no_reference")
        return {
            "problem": block("problem", problem),
            "reference": without if reference is None else block("reference", reference),
        }

    def _messages(self, given: dict[str, str], steps: Sequence[Step], first: int, last: int) -> list[str]:
        is_part = last - first + 1 < len(steps)
        window = self._text.fill("window", first=first, last=last, n_steps=len(steps)) if is_part else ""
        shown = numbered("candidate", "step", [step.text for step in steps[first - 1 : last]], first)
        return [self._system, self._text.fill("user", **given, steps=shown, window=window, first=first, last=last)]

    def _frame_tokens(self, given: dict[str, str]) -> int:
        """Return the tokens of a request without its steps: the larger one, as for a retry about a window."""
        number = 10**6
        window = self._text.fill("window", first=number, last=number, n_steps=number)
        user = self._text.fill(
            "user", **given, steps=numbered("candidate", "step", [""], 1), window=window, first=1, last=number
        )
        return estimate(user + self._text.fill("retry", first=number, last=number))


def prompt_hash(scores: Sequence[str] = ()) -> str:
    """Return the hash of everything fixed that a judge of these scores is told."""
    return JudgeText("first_error").hash(*scores)


def quotable(problem: str, reference: str | None, steps: Sequence[Step]) -> list[Any]:
    """Return the made-up verdicts in judged text: what a reply may quote and nobody may take for its verdict."""
    return [found for text in (problem, reference or "", *(s.text for s in steps)) for found in verdicts_in(text)]


def schema(scores: Sequence[str] = ()) -> dict[str, Any]:
    """Return the ``response_format`` of a verdict: the reason comes first, so that it is not made up afterwards."""
    properties: dict[str, Any] = {"reason": {"type": "string"}, FIELD: {"type": "integer"}}
    if scores:
        properties["scores"] = _object({name: {"type": "number"} for name in scores})
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": _object(properties)}}


def refuse_every_request(error: Refused | Failed) -> None:
    """Raise JudgeError where a request was refused for the key, the account or the model."""
    if isinstance(error, Refused) and error.is_for_every_request:
        raise JudgeError(f"{error}. What was judged is kept: run the same command again when it is mended") from error


def reason_of(error: Refused | Failed) -> str:
    """Return which of ``FAILURES`` a request that was not answered is."""
    if isinstance(error, Refused):
        return TOO_LONG if "context" in error.reply.lower() or error.status == 413 else "refused"
    return "timeout" if error.reason == "timeout" else "server_error"


def text_of(reply: Any) -> str:
    """Return the text of a chat completion; a reply of another form is kept as JSON. Cut where it is too long to be read."""
    message = _choice(reply).get("message")
    content = message.get("content") if isinstance(message, dict) else None
    text = content if isinstance(content, str) else orjson.dumps(reply).decode()
    return text[: MAX_REPLY_CHARS + 1]


def seed_of(user: str, vote: int) -> int:
    """Return the seed of a vote: the same for the same question, another for each vote; 0 <= seed < 2**31."""
    start = int.from_bytes(blake2b(user.encode(), digest_size=4).digest(), "big")
    return (start + vote) % 2**31


async def together(work: Any) -> list[Any]:
    """Return what several coroutines return, in order; the first error cancels the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _system(text: JudgeText, scores: Sequence[str]) -> str:
    example = ", ".join(f'"{name}": 7' for name in scores)
    asked = text.fill("scores", names=", ".join(scores), example=example) if scores else ""
    return text.fill("system", scores=asked)


def _step_tokens(step: Step) -> int:
    return estimate(numbered("candidate", "step", [step.text], 10**6))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _choice(reply: Any) -> dict[str, Any]:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and value >= 0 else 0
