"""A judge behind a server that sorts the correct solutions of a group by strategy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import orjson

from curate.errors import JudgeError
from curate.judging.replies import INCOMPLETE, UNREADABLE
from curate.judging.served import (
    DEFAULT_CONTEXT,
    PATH,
    TOO_LONG,
    Asked,
    Poster,
    reason_of,
    refuse_every_request,
    text_of,
)
from curate.judging.sorting import MAX_SHOWN, Sorting
from curate.judging.strategies import TEXT, Grouping, groupings_in, messages, parse, schema
from curate.judging.tokens import estimate
from curate.serving import Failed, Refused


class Reply(NamedTuple):
    """What came back for one window (places of the solutions it showed): the raw text, or why there is none."""

    window: list[int]
    text: str | None
    error: str | None = None


class Sorted(NamedTuple):
    """The cluster of every distinct solution of a group, from 0 by first appearance; ``errors`` says why where null.

    ``reply`` is every raw reply; null where nothing was asked or nothing came back.
    """

    clusters: list[int | None]
    errors: list[str | None]
    reply: str | None


class ServedSorter:
    """Ask a served model which solutions of a group share a strategy, at temperature 0.

    ``context`` is the number of tokens the model reads and writes at most; ``takes_schema`` says that the server takes
    ``response_format`` (``curate.judging.probe`` finds both out).
    """

    def __init__(
        self,
        client: Poster,
        model: str,
        *,
        context: int = DEFAULT_CONTEXT,
        max_reply_tokens: int = 1024,
        takes_schema: bool = False,
        max_shown: int = MAX_SHOWN,
    ) -> None:
        self.asked = Asked()
        self.about = {"context": context, "takes_schema": takes_schema}
        self.prompt_hash = TEXT.hash()
        self._client = client
        self._model = model
        self._context = context
        self._max_reply_tokens = min(max_reply_tokens, context // 2)
        self._takes_schema = takes_schema
        self._max_shown = max_shown

    async def sort(self, problem: str, solutions: Sequence[str]) -> Sorted:
        """Return the strategies of distinct correct solutions of one problem.

        Raises Gone where no server answers, and JudgeError where one refuses the key or the model.

        One solution alone is a strategy, and nothing is asked. Each window is asked twice at most, the second time more
        strictly; where it cannot be read then, or was not answered, the whole group has no clusters: a part of a
        grouping would call its solutions rarer than they are. A solution longer than a third of the room for them has
        none either.
        """
        room = self._context - self._max_reply_tokens - _frame_tokens(problem)
        if room <= 0:
            return Sorted([None] * len(solutions), [TOO_LONG] * len(solutions), None)
        sorting = Sorting(solutions, room, self._max_shown)
        quotes = quotable(problem, solutions)
        replies: list[Reply] = []
        while (window := sorting.next_window()) is not None:
            lists = await self._ask(problem, sorting, window, quotes, replies)
            if lists is None:
                return _failed(solutions, replies)
            sorting.take(window, lists)
        return _finished(sorting.clusters, replies)

    async def _ask(
        self, problem: str, sorting: Sorting, window: list[int], quotes: list[Grouping], replies: list[Reply]
    ) -> list[list[int]] | None:
        """Return the groups of one window, or null; every reply is added to ``replies``."""
        shown = [sorting.texts[place] for place in window]
        n_known = sorting.n_known(window)
        for is_strict in (False, True):
            reply = await self._post(messages(problem, shown, n_known, is_strict=is_strict), window)
            replies.append(reply)
            lists = None if reply.text is None else _read(reply.text, len(window), quotes)
            if lists or reply.error:
                return lists
        return None

    async def _post(self, conversation: list[dict[str, str]], window: list[int]) -> Reply:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": conversation,
            "max_tokens": self._max_reply_tokens,
            "temperature": 0.0,
            **({"response_format": schema(len(window))} if self._takes_schema else {}),
        }
        n_tokens = sum(estimate(message["content"]) for message in conversation) + self._max_reply_tokens
        try:
            reply = await self._client.post(PATH, body, n_tokens)
        except (Refused, Failed) as error:
            refuse_every_request(error)
            return Reply(window, None, reason_of(error))
        self.asked.add(reply)
        return Reply(window, text_of(reply))


def reread(problem: str, solutions: Sequence[str], reply: str | None, left_out: Collection[int] = ()) -> Sorted:
    """Read kept replies again, without asking: what ``ServedSorter.sort`` would make of them today.

    ``left_out`` are the places of the solutions that were too long to be shown. ``incomplete`` where a solution stands
    in no window that was asked about: what was never asked cannot be made up.
    """
    kept = [place for place in range(len(solutions)) if place not in left_out]
    place_of = {place: number for number, place in enumerate(kept)}
    sorting = Sorting([solutions[place] for place in kept], room=10**12)
    quotes = quotable(problem, solutions)
    replies = [] if reply is None else unpack(reply, len(solutions))
    taken: list[list[int]] = []
    for each in replies:
        lists = None if each.text is None else _read(each.text, len(each.window), quotes)
        window = [place_of[place] for place in each.window if place in place_of]
        if lists and len(window) == len(each.window) and window not in taken:
            sorting.take(window, lists)
            taken.append(window)
    if sorting.next_window() is not None:
        return _failed(solutions, replies, INCOMPLETE if taken else None)
    clusters: list[int | None] = [None] * len(solutions)
    for number, place in enumerate(kept):
        clusters[place] = sorting.clusters[number]
    return _finished(clusters, replies)


def quotable(problem: str, solutions: Sequence[str]) -> list[Grouping]:
    """Return the made-up groupings in judged text: what a reply may quote and nobody may take for its answer."""
    return [found for text in (problem, *solutions) for found in groupings_in(text)]


def pack(replies: Sequence[Reply], n: int) -> str | None:
    """Write replies as one text: one to all n solutions as it is, others as a JSON list; null where none came."""
    if all(reply.text is None for reply in replies):
        return None
    only = replies[0].text if len(replies) == 1 and replies[0].window == list(range(n)) else None
    if only is not None and _unpacked(only) is None:
        return only
    return orjson.dumps([reply._asdict() for reply in replies]).decode()


def unpack(text: str, n: int) -> list[Reply]:
    """Read back what ``pack`` wrote of a group of n solutions; one reply alone was about all of them."""
    return _unpacked(text) or [Reply(list(range(n)), text)]


def _unpacked(text: str) -> list[Reply] | None:
    if not text.startswith('[{"window":'):
        return None
    try:
        found = [Reply(**each) for each in orjson.loads(text)]
    except (ValueError, TypeError):
        return None
    are_places = all(type(place) is int for reply in found for place in reply.window)
    return found if are_places else None


def _read(text: str, n: int, quotes: Sequence[Grouping]) -> list[list[int]] | None:
    try:
        return parse(text, n, quotes)
    except JudgeError:
        return None


def _failed(solutions: Sequence[str], replies: Sequence[Reply], why: str | None = None) -> Sorted:
    n = len(solutions)
    why = why or (replies[-1].error if replies else None) or UNREADABLE
    return Sorted([None] * n, [why] * n, pack(replies, n))


def _finished(clusters: Sequence[int | None], replies: Sequence[Reply]) -> Sorted:
    errors = [TOO_LONG if cluster is None else None for cluster in clusters]
    return Sorted(list(clusters), errors, pack(replies, len(clusters)))


def _frame_tokens(problem: str) -> int:
    """Return the tokens of a request without its solutions: the larger one, as for a retry with known strategies."""
    return sum(estimate(each["content"]) for each in messages(problem, ["", ""], n_known=2, is_strict=True))
