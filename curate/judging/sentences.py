"""Finds the ends of sentences in reasoning: decimals, abbreviations, initials, list numbers and formulas do not end one."""

from __future__ import annotations

import re

# A formula is skipped as a whole. Every alternative stops at the next character of its own kind, so that an opening
# without an end costs no more than the way to the next one.
_FORMULA_OR_END = re.compile(
    r"""
      \$\$[^$]*+\$\$
    | \$(?=[^\s$])[^$\n]*+(?<=\S)\$(?![0-9])            # $5 and $3 are prices: no blank before an end, no digit after
    | \\\( (?:[^\\]|\\(?![()\[\]]))*+ \\\)
    | \\\[ (?:[^\\]|\\(?![()\[\]]))*+ \\\]
    | (?P<stop>[.!?]++)(?:["'”’)\]*_]*+)
    | (?P<line>\n)
    """,
    re.VERBOSE,
)
_WORD_BEFORE = re.compile(r"[^\s(\[\"']*$")
_LONGEST_WORD = 12
_ABBREVIATIONS = frozenset(
    {
        "e.g",
        "i.e",
        "vs",
        "cf",
        "al",
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "approx",
        "resp",
        "w.r.t",
        "s.t",
        "viz",
        "ca",
    }
)
_BEFORE_A_NUMBER = frozenset(
    {"fig", "figs", "eq", "eqs", "eqn", "no", "nos", "sec", "thm", "def", "lem", "prop", "ch", "p", "pp", "vol"}
)


def sentence_ends(text: str) -> list[int]:
    """Return where sentences end, in order, without the end of the text.

    One ends at ``.``, ``!`` or ``?`` (with closing quotes and brackets) before a blank, and at a line break unless the
    next line goes on in lower case. Not at the point of a decimal, of a known abbreviation, of an initial, of a number
    that opens a sentence, before a word in lower case, nor inside ``$...$``, ``$$...$$``, ``\\(...\\)`` and ``\\[...\\]``.
    """
    ends: list[int] = []
    for found in _FORMULA_OR_END.finditer(text):
        following = text[found.end() : found.end() + 1]
        if found["line"]:
            is_end = not following.islower()
        else:
            start = ends[-1] if ends else 0
            is_end = found["stop"] is not None and following.isspace() and _ends_sentence(text, found, start)
        if is_end and found.end() < len(text):
            ends.append(found.end())
    return ends


def _ends_sentence(text: str, found: re.Match[str], start: int) -> bool:
    """Say whether a stop before a blank ends the sentence that began at ``start``."""
    if found["stop"] != ".":
        return True
    before = text[max(start, found.start() - _LONGEST_WORD) : found.start()]
    match = _WORD_BEFORE.search(before)
    word = match[0] if match else ""
    is_list_number = word.isdigit() and before.strip() == word and found.start() - start <= _LONGEST_WORD
    is_initial = len(word) == 1 and word.isupper()
    after = text[found.end() : found.end() + 2].lstrip()[:1]
    if is_list_number or is_initial or word.lower() in _ABBREVIATIONS:
        return False
    return not (after.islower() or (after.isdigit() and word.lower() in _BEFORE_A_NUMBER))
