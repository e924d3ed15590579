"""Finds the answer a text states without a box, in the forms and the order of math-verify 0.9, in bounded time.

After its patterns (github.com/huggingface/Math-Verify, ``parser.py``): what follows ``final answer ... is``, then
``answer:``, then ``answer``, then the last formula or number. Where several are of one form, the one that ends last is
taken. Only the last 4,000 characters are read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

MAX_CHARS = 4000
MAX_ANCHORS = 20  # of one form that are looked at, the last ones
MAX_FORMULAS = 6  # that state one answer together

# Possessive and bounded, so that no text makes them look back far.
_FORMULA = re.compile(
    r"""(?:(?<!\\)\$\$(?P<display>(?:[^$]|\$(?!\$)){1,1000}+)\$\$
       |(?<!\\)\\\[(?P<bracket>(?:[^\\]|\\(?!\])){1,1000}+)\\\]
       |(?<![\\\d])\$(?P<inline>(?:\\\$|[^\n$]){1,1000}+)\$
       |(?<!\\)\\\((?P<parenthesis>(?:[^\\\n]|\\(?!\))){1,1000}+)\\\)
       |\s\[(?P<plain>[^\n\]\[]{1,1000}+)\]\s
       |(?P<fraction>-?\\frac\{-?\d+(?:[.,]\d+)?\}\{-?\d+(?:[.,]\d+)?\}))
       \s*(?P<percent>\\?%|[Pp]ercent(?:age)?|[Pp]ct)?""",
    re.VERBOSE,
)
_AND = re.compile(r"\s*(?:,?and|,?or|,)\s*")
_CURRENCY = "$€£¥₹₽₪₩₫฿₡₢₣₤₥₦₧₨₭₮₯₰₱₲₳₴₵₶₷₸₺₻₼₾₿"
_CHARS = r"[\d.\s+\-*×/^()÷]"
_OPENS = r"(?:^|\s|=)(?:\*\*)?"
_EXPRESSION = rf"{_OPENS}(?P<expr>-?\(?-?\d{_CHARS}{{0,200}}[+\-*×/^()÷]{_CHARS}{{1,200}}\)?)(?:\*\*)?(?:[.,:\s)$]|$)"
_NUMBER = (
    rf"{_OPENS}[{_CURRENCY}]?(?<!\d)(?:(?P<thousands>-?[1-9]\d{{0,2}}(?:[ ,]\d{{3}})+(?:\.\d+)?)"
    r"|(?P<number>-?\d+[.,]\d+|\.\d+|-?\d+))(?P<percent>\s*(?:%|[Pp]ercent|[Pp]ct))?"
)
_EITHER = rf"(?:{_EXPRESSION}|{_NUMBER})"
_PLAIN = (re.compile(_EXPRESSION), re.compile(_NUMBER))
_FINAL_PLAIN = re.compile(rf".{{0,100}}?\s+is:?{_EITHER}", re.IGNORECASE)
_ANSWER_PLAIN = re.compile(rf"(?:.{{0,100}}=\s*|.{{0,50}}?){_EITHER}(?!\s*=)")
_FINAL = re.compile(r"final answer", re.IGNORECASE)
_IS = re.compile(r"\s+is:?\s*", re.IGNORECASE)
_ANSWER_COLON = re.compile(r"answer:", re.IGNORECASE)
_ANSWER = re.compile(r"answer", re.IGNORECASE)


class _Found(NamedTuple):
    end: int
    before: int  # minus where it starts, so that the larger of two is the one that ends last, then starts first
    text: str


def last_stated(text: str) -> str | None:
    """Return the formula, number or plain arithmetic that the text states as its answer; null where there is none.

    A number comes without thousands separators, with a decimal point, and a percent sign as ``\\%``; formulas side by
    side (``$1$ and $2$``) are joined by commas.
    """
    return _first_form(_tail(text), (_after_final_answer, _after_answer_colon, _after_answer, _anywhere))


def stated_as_final(text: str) -> str | None:
    """Return what follows ``final answer ... is``, as ``last_stated`` does; null where nothing does."""
    return _first_form(_tail(text), (_after_final_answer,))


def _first_form(text: str, forms: Sequence[Callable[[str], Iterator[_Found]]]) -> str | None:
    for search in forms:
        found = max(search(text), default=None)
        if found is not None:
            return found.text
    return None


def _tail(text: str) -> str:
    """Return the last characters, from the start of a line or the end of a formula where one is near.

    Formulas are paired by line: a cut through one would take what stands between two for one.
    """
    end = min(len(text), len(text.rstrip()) + 1)  # one white space counts: a formula may end with it
    cut = end - MAX_CHARS
    if cut <= 0:
        return text[:end]
    line = text[text.rfind("\n", 0, cut) + 1 : cut].replace("\\$", "")
    borders = ("\n", "$") if line.count("$") % 2 == 1 else ("\n",)
    found = (text.find(border, cut, cut + MAX_CHARS // 4) for border in borders)
    return text[next((border + 1 for border in found if border >= 0), cut) : end]


def _after_final_answer(text: str) -> Iterator[_Found]:
    for anchor in _last(_FINAL, text):
        for verb in _IS.finditer(text, anchor, anchor + 112):
            formula = _formulas_at(text, verb.end())
            if formula:
                yield formula
                break
        yield from _plain(_FINAL_PLAIN.match(text, anchor, anchor + 600))


def _after_answer_colon(text: str) -> Iterator[_Found]:
    return _after(_ANSWER_COLON, text)


def _after_answer(text: str) -> Iterator[_Found]:
    return _after(_ANSWER, text)


def _after(anchor_form: re.Pattern[str], text: str) -> Iterator[_Found]:
    for anchor in _last(anchor_form, text):
        near = _FORMULA.search(text, anchor, anchor + 1100)
        formula = _formulas_at(text, near.start()) if near and near.start() - anchor <= 50 else None
        if formula:
            yield formula
        yield from _plain(_ANSWER_PLAIN.match(text, anchor, anchor + 600))


def _anywhere(text: str) -> Iterator[_Found]:
    formulas = list(_FORMULA.finditer(text))
    first = len(formulas) - 1
    while first > 0 and _AND.fullmatch(text, formulas[first - 1].end(), formulas[first].start()):
        first -= 1
    if formulas:
        yield from filter(None, [_formulas_at(text, formulas[first].start())])
    for form in _PLAIN:
        readable = (found for match in reversed(list(form.finditer(text))) for found in _plain(match))
        yield from islice(readable, 1)


def _last(anchor_form: re.Pattern[str], text: str) -> list[int]:
    return [match.end() for match in anchor_form.finditer(text)][-MAX_ANCHORS:]


def _formulas_at(text: str, position: int) -> _Found | None:
    """Read the formula at a position and those that go on from it after a comma, ``and`` or ``or``."""
    contents: list[str] = []
    match, end = _FORMULA.match(text, position), position
    while match and len(contents) < MAX_FORMULAS:
        kind = next(name for name in match.groupdict() if match[name])
        contents.append(match[kind].strip() + (r"\%" if match["percent"] else ""))
        end = match.end()
        separator = _AND.match(text, end)
        match = _FORMULA.match(text, separator.end()) if separator else None
    return _Found(end, -position, ",".join(contents)) if contents else None


def _plain(match: re.Match[str] | None) -> Iterator[_Found]:
    """Yield the number or expression of a match, unless it is arithmetic that cannot be read (``2 1/2``)."""
    if match is None:
        return
    groups = match.groupdict()
    if groups.get("expr"):
        found = _arithmetic(groups["expr"])
    else:
        thousands, number = groups["thousands"], groups["number"]
        found = re.sub("[ ,]", "", thousands) if thousands else number.replace(",", ".")
        found = ("0" if found.startswith(".") else "") + found + (r"\%" if groups["percent"] else "")
    if found:
        yield _Found(match.end(), -match.start(), found)


def _arithmetic(text: str) -> str | None:
    try:
        tree = ast.parse(" ".join(text.replace("^", "**").split()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)
    if not all(isinstance(node, nodes) for node in ast.walk(tree)):
        return None
    return re.sub(r"\.(?!\d)", "", "".join(text.split())).replace("**", "^")
