"""Strategies of correct solutions by a served judge: what it is asked, and how its reply is read. Nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from curate.errors import JudgeError
from curate.judging.loose_json import objects
from curate.judging.material import block, numbered
from curate.judging.texts import JudgeText
from curate.judging.tokens import estimate
from curate.judging.verdict import without_thoughts

TEXT = JudgeText("strategies")
FIELD = "groups"
MAX_REPLY_CHARS = 1_000_000


class Grouping(NamedTuple):
    """Lists of numbers found in a text; ``is_named`` where they are the field of an object, as was asked for."""

    is_named: bool
    lists: list[list[int]]


_LISTS = re.compile(r"[\[\]0-9,\s]+")


def cost(text: str) -> int:
    """Return a high estimate of the tokens of one solution in the prompt, its tags included."""
    return estimate(numbered("solutions", "solution", [text], first=1))


def messages(
    problem: str, solutions: Sequence[str], n_known: int = 0, *, is_strict: bool = False
) -> list[dict[str, str]]:
    """Return the chat messages that ask for the strategies of numbered solutions (1..n), all of them escaped as data.

    The first ``n_known`` stand for strategies found before; ``is_strict`` is the second time of asking.
    """
    bounds = {"first": 1, "last": len(solutions)}
    user = TEXT.fill(
        "user",
        problem=block("problem", problem),
        solutions=numbered("solutions", "solution", solutions, first=1),
        known=TEXT.fill("known", first=1, last=n_known) if n_known > 1 else "",
        **bounds,
    )
    strict = TEXT.fill("retry", **bounds) if is_strict else ""
    return [{"role": "system", "content": TEXT.fill("system")}, {"role": "user", "content": user + strict}]


def schema(n: int) -> dict[str, Any]:
    """Return the ``response_format`` of a reply on n solutions; that each number stands once is checked when it is read."""
    number = {"type": "integer", "minimum": 1, "maximum": n}
    inner = {"type": "array", "items": number, "minItems": 1, "maxItems": n}
    groups = {"type": "array", "items": inner, "minItems": 1, "maxItems": n}
    form = {"type": "object", "properties": {FIELD: groups}, "required": [FIELD], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "strategies", "strict": True, "schema": form}}


def parse(reply: str, n: int, quotes: Sequence[Grouping] = ()) -> list[list[int]]:
    """Read the strategies of n solutions from a reply: lists of their numbers, 1..n, each exactly once.

    After the thoughts, the last object with ``groups`` counts, and where there is none the last bare list of lists of
    whole numbers; neither counts where it is one of ``quotes`` (see ``groupings_in``). Empty inner lists are left out.
    Raises JudgeError, with a reason from a short list, where there is none, where a number is missing, stands twice or
    is none of 1..n: half a grouping is no grouping.
    """
    found = [each for each in groupings_in(without_thoughts(reply[-MAX_REPLY_CHARS:])) if each not in quotes]
    if not found:
        raise JudgeError("no list of lists of numbers in the reply")
    lists = max(enumerate(found), key=lambda item: (item[1].is_named, item[0]))[1].lists
    numbers = [number for each in lists for number in each]
    if len(set(numbers)) < len(numbers):
        raise JudgeError("a solution stands in two groups of the reply")
    if not set(numbers) <= set(range(1, n + 1)):
        raise JudgeError("the reply names a solution that was not shown")
    if len(numbers) < n:
        raise JudgeError("the reply leaves a solution out")
    return [each for each in lists if each]


def groupings_in(text: str) -> list[Grouping]:
    """Return what in a text has the form of a grouping, in order, objects before bare lists; linear in the text.

    Of judged text they are what a reply may quote and nobody may take for its answer.
    """
    named = [each[FIELD] for each in objects(text) if FIELD in each] if FIELD in text else []
    bare = [value for run in _LISTS.finditer(text) if (value := _json(run[0])) is not None]
    return [
        Grouping(is_named, lists)
        for is_named, values in ((True, named), (False, bare))
        for value in values
        if (lists := _lists(value)) is not None
    ]


def _json(run: str) -> Any:
    start, end = run.find("["), run.rfind("]")
    try:
        return orjson.loads(run[start : end + 1]) if 0 <= start < end else None
    except orjson.JSONDecodeError:
        return None


def _lists(value: object) -> list[list[int]] | None:
    if not isinstance(value, list) or not value or not all(isinstance(each, list) for each in value):
        return None
    return value if all(type(number) is int for each in value for number in each) else None
