"""Finds what a text puts into its last ``\\boxed{...}``, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_CHARS = 2000

_COMMAND = re.compile(r"\\(?:boxed|fbox)(?:\{|[ ]?(?P<bare>[0-9]{1,99})(?!\.?[0-9]|[ ]?[/^]))")
_BLANK = re.compile(r"\.*|…|\\[cl]?dots")
_BRACE = re.compile(r"[{}]")
_PERCENT = re.compile(r"\s*(?:\$\$?|\\\)|\\\])\s*(?:\\?%|[Pp]ercent|[Pp]ct)")
_BETWEEN_FORMULAS = re.compile(r"[^$\n]*(?:\$\$?|\\\)|\\\])\s*(?:,?and|,?or|,)\s*(?:\$\$?|\\\(|\\\[)[^$\n]*")
_BRACKETS = (("\\(", "\\)"), ("\\[", "\\]"))
_SEPARATOR = re.compile(r"\b(?:and|or)\b|[,;]")


class Boxed(NamedTuple):
    """What the last box holds, and where it ends in the text."""

    content: str
    end: int


def last_boxed(text: str) -> Boxed | None:
    r"""Return the last box with balanced braces; null where there is none or it is over 2,000 characters.

    ``\boxed5`` is a box too, and an empty one none, nor one of dots (``I put it into \boxed{...}`` is about the format).
    Boxes that state one answer together (``\boxed{1} and \boxed{2}``) are joined by commas, as math-verify 0.9 joins
    them: within one formula always; in formulas side by side where only a comma, ``and`` or ``or`` stands between them
    and no more than 2,000 characters between the boxes; outside of formulas where fewer than 10 characters, or fewer than
    70 with a separator, stand between different ones. A percent sign right after the formula belongs to the answer.
    """
    boxes = (box for box in _boxes_from_the_end(text) if not _BLANK.fullmatch(box.content))
    found = next(boxes, None)
    if found is None:
        return None
    start, end, content = found
    contents, in_formula = [content], _is_in_formula(text, start, end)
    for earlier, closing, content in boxes:
        if not _belongs(text[closing:start], content != contents[-1], in_formula):
            break
        start = earlier
        if content != contents[-1]:
            contents.append(content)
        if len(contents) > MAX_CHARS:
            break
    joined = ",".join(reversed(contents)) + (r"\%" if _PERCENT.match(text, end) else "")
    return Boxed(joined, end) if len(joined) <= MAX_CHARS else None


class _Box(NamedTuple):
    start: int
    end: int
    content: str


def _boxes_from_the_end(text: str) -> Iterator[_Box]:
    """Yield each balanced box; no character is read twice."""
    limit = len(text)
    for command in reversed(list(_COMMAND.finditer(text))):
        start, opened = command.span()
        if command["bare"]:
            yield _Box(start, opened, command["bare"])
        elif (closing := _closing(text, opened - 1, limit)) is not None:
            yield _Box(start, closing + 1, text[opened:closing].strip())
        limit = start


def _closing(text: str, opening: int, limit: int) -> int | None:
    depth = 0
    for brace in _BRACE.finditer(text, opening, limit):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    return None


def _is_in_formula(text: str, start: int, end: int) -> bool:
    r"""Tell whether a formula that opens before the box closes after it: a lone dollar is a currency, ``\\[`` a line's end."""
    before, after = text[:start].replace("\\\\", ""), text[end:].replace("\\\\", "")
    line, rest = _inline(before.rpartition("\n")[2]), _inline(after.partition("\n")[0])
    return (
        (line.count("$") % 2 == 1 and "$" in rest)
        or (before.count("$$") % 2 == 1 and "$$" in after)
        or any(before.rfind(opens) > before.rfind(closes) and closes in after for opens, closes in _BRACKETS)
    )


def _inline(line: str) -> str:
    return line.replace("$$", "").replace("\\$", "")


def _belongs(between: str, is_other: bool, in_formula: bool) -> bool:
    if in_formula:
        one_formula = not re.search(r"\$|\\\)|\\\]", between)
        is_short = len(between) <= MAX_CHARS  # the search is quadratic
        return one_formula or (is_short and bool(_BETWEEN_FORMULAS.fullmatch(between)))
    return len(between) < 10 or (is_other and len(between) < 70 and bool(_SEPARATOR.search(between)))
