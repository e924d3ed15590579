"""Finds what a text puts into its last ``\\boxed{...}``, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_CHARS = 2000

_COMMAND = re.compile(r"\\(?:boxed|fbox)\{")
_BRACE = re.compile(r"[{}]")
_PERCENT = re.compile(r"\s*(?:\$\$?|\\\)|\\\])\s*(?:\\?%|[Pp]ercent|[Pp]ct)")
_BETWEEN_FORMULAS = re.compile(r"[^$\n]*(?:\$\$?|\\\)|\\\])\s*(?:,?and|,?or|,)\s*(?:\$\$?|\\\(|\\\[)[^$\n]*")
_SEPARATOR = re.compile(r"\b(?:and|or)\b|[,;]")


class Boxed(NamedTuple):
    """What the last box holds, and where it ends in the text."""

    content: str
    end: int


def last_boxed(text: str) -> Boxed | None:
    r"""Return the last box with balanced braces; null where there is none or it is empty or over 2,000 characters.

    Boxes that state one answer together (``\boxed{1} and \boxed{2}``) are joined by commas, as math-verify 0.9 joins
    them: within one formula always; in formulas side by side where only a comma, ``and`` or ``or`` stands between them
    and no more than 2,000 characters between the boxes; outside of formulas where fewer than 10 characters, or fewer than
    70 with a separator, stand between different ones. A percent sign right after the formula belongs to the answer.
    """
    boxes = _boxes_from_the_end(text)
    start, end = next(boxes, (None, 0))
    if start is None:
        return None
    contents, in_formula = [_content(text, start, end)], _is_in_formula(text, start)
    for earlier, closing in boxes:
        content = _content(text, earlier, closing)
        if not _belongs(text[closing + 1 : start], content != contents[-1], in_formula):
            break
        start = earlier
        if content != contents[-1]:
            contents.append(content)
        if len(contents) > MAX_CHARS:
            break
    found = ",".join(reversed(contents)) + (r"\%" if _PERCENT.match(text, end + 1) else "")
    return Boxed(found, end + 1) if contents[0] and len(found) <= MAX_CHARS else None


def _boxes_from_the_end(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each balanced box starts, and its closing brace; no character is read twice."""
    limit = len(text)
    for start in reversed([match.start() for match in _COMMAND.finditer(text)]):
        end = _closing(text, text.index("{", start), limit)
        if end is not None:
            yield start, end
        limit = start


def _closing(text: str, opening: int, limit: int) -> int | None:
    depth = 0
    for brace in _BRACE.finditer(text, opening, limit):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    return None


def _content(text: str, start: int, end: int) -> str:
    return text[text.index("{", start) + 1 : end].strip()


def _is_in_formula(text: str, position: int) -> bool:
    """Tell whether an odd number of dollars opens the line, or a bracket opened a formula that goes on."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    opened = max(text.rfind("\\(", 0, position), text.rfind("\\[", 0, position))
    closed = max(text.rfind("\\)", 0, position), text.rfind("\\]", 0, position))
    dollars = line.replace("$$", "").replace("\\$", "")
    return dollars.count("$") % 2 == 1 or text.count("$$", 0, position) % 2 == 1 or opened > closed


def _belongs(between: str, is_other: bool, in_formula: bool) -> bool:
    if in_formula:
        one_formula = not re.search(r"\$|\\\)|\\\]", between)
        is_short = len(between) <= MAX_CHARS  # the search is quadratic
        return one_formula or (is_short and bool(_BETWEEN_FORMULAS.fullmatch(between)))
    return len(between) < 10 or (is_other and len(between) < 70 and bool(_SEPARATOR.search(between)))
