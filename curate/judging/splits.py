"""Ways to cut a completion into steps: lines, numbered steps, paragraphs, sentences, or what the text itself suggests.

Each returns steps that cover all of the text but blanks, in order, with ``completion[step.offset:]`` starting with
``step.text``; a span that only states the final answer belongs to the step before it. All take linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise

from curate.judging.sentences import sentence_ends
from curate.judging.splitter import is_answer_line, split
from curate.records import Step

Splitter = Callable[[str], list[Step]]

_OPENING = r"^[ \t]{0,3}(?:#{1,6}[ \t]{0,3})?(?:\*\*|__)?"
_STEP_HEADING = re.compile(
    _OPENING + r"step[ \t]{1,3}([0-9]{1,4})(?![0-9A-Za-z]|\.[0-9])", re.IGNORECASE | re.MULTILINE
)
_NUMBER_HEADING = re.compile(_OPENING + r"([0-9]{1,4})[.)](?=\s|\*\*|__)", re.MULTILINE)
_REST_OF_HEADING = re.compile(r"[ \t.:)*_-]{0,8}")


def numbered(completion: str) -> list[Step]:
    """Split at headings such as ``Step 2:``, ``**Step 2**``, ``### Step 2`` or, where there are none, ``2.`` and ``2)``.

    Plain numbers count in ascending order only, so that a nested list stays inside its step. What stands before the
    first heading belongs to the first step: the judge then sees the numbers that the text gives. A text without two
    headings is one step.
    """
    borders = _headings(completion)
    starts = [0, *borders[1:]] if len(borders) > 1 else [0]
    return _steps(completion, pairwise([*starts, len(completion)]))


def paragraphs(completion: str) -> list[Step]:
    """Split at blank lines."""
    borders, place, was_blank = [0], 0, False
    for line in completion.splitlines(keepends=True):
        is_blank = not line.strip()
        if was_blank and not is_blank:
            borders.append(place)
        was_blank = is_blank
        place += len(line)
    return _steps(completion, pairwise([*borders, len(completion)]))


def sentences(completion: str) -> list[Step]:
    """Split at the ends of sentences and lines; see ``curate.judging.sentences``."""
    return _steps(completion, pairwise([0, *sentence_ends(completion), len(completion)]))


def auto(completion: str) -> list[Step]:
    """Split as numbered where the text has two headings, else the first of paragraphs, lines and sentences that finds two.

    A text that none of them cuts is one step.
    """
    if len(_headings(completion)) > 1:
        return numbered(completion)
    ways = (way(completion) for way in (paragraphs, split, sentences))
    return next((steps for steps in ways if len(steps) > 1), split(completion))


SPLITTERS: dict[str, Splitter] = {
    "auto": auto,
    "numbered": numbered,
    "paragraphs": paragraphs,
    "lines": split,
    "sentences": sentences,
}


def _headings(completion: str) -> list[int]:
    """Return where the headings of numbered steps start."""
    named = [found.start() for found in _STEP_HEADING.finditer(completion)]
    if len(named) > 1:
        return named
    borders, expected = list[int](), None
    for found in _NUMBER_HEADING.finditer(completion):
        number = int(found[1])
        if expected is None or number == expected:
            borders.append(found.start())
            expected = number + 1
    return borders


def _steps(completion: str, spans: Iterable[tuple[int, int]]) -> list[Step]:
    """Return the spans without the blanks around them; one that only states the final answer joins the one before."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        text = completion[start:end]
        stripped = text.strip()
        if stripped:
            begin = start + len(text) - len(text.lstrip())
            kept.append((kept.pop()[0] if kept and _states_answer(stripped) else begin, begin + len(stripped)))
    return [Step(completion[begin:end], begin) for begin, end in kept]


def _states_answer(text: str) -> bool:
    if "\n" in text:
        return False
    heading = _STEP_HEADING.match(text) or _NUMBER_HEADING.match(text)
    rest = _REST_OF_HEADING.match(text, heading.end()) if heading else None
    return is_answer_line(text[rest.end() :] if rest else text)
