"""Reads numbers out of hostile text: linear in its length, exact, never through float.

A number is ASCII digits with an optional sign (``-``, ``+`` or the Unicode minus), currency sign, thousands commas,
decimals, exponent, simple denominator (``3/4``) and percent sign. ``50%`` is 50, not 0.5: answers state percentages
both ways round and the sign is their unit. LaTeX, mixed numbers (``2 1/2``) and decimal commas are not read.
"""

from __future__ import annotations

import re
from fractions import Fraction

from curate.verifying.last import last

# Python refuses int() beyond 4,300 digits and 10**exponent grows without bound: longer numbers equal no answer.
MAX_CHARS = 1000
MAX_EXPONENT = 1000

_NUMBER = re.compile(
    r"""(?<![A-Za-z0-9_^.])          # not the 2 of H2O, cm^2 or a version 1.2
        (?:[$€£](?P<late>[-−])|(?:(?<!\))(?P<sign>[-−+]))?[$€£]?)
        (?:(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.(?P<decimals>[0-9]+))?|\.(?P<bare>[0-9]+))
        (?:[eE](?P<exponent>[-+]?[0-9]+))?
        (?:/(?P<denominator>[0-9]+))?
        (?:[ ]?%)?""",
    re.VERBOSE,
)
_UNIT = re.compile(r"(?:\s+|/)(?P<word>[A-Za-z]+)[^0-9+*=^]*")
_MAGNITUDES = frozenset({"dozen", "hundred", "thousand", "million", "billion", "trillion", "k", "m", "bn"})


def last_number(text: str) -> str | None:
    """Return the text of the last number in ``text``, null where there is none.

    A minus is a sign only where no digit, letter or closing bracket touches it (``10-18`` ends in 18).
    """
    found = last(_NUMBER.finditer(text))
    return found.group() if found else None


def parse_number(text: str) -> Fraction | None:
    """Read the whole text, white space and a full stop aside, as one exact number.

    Null where it is no number, where the denominator is 0, and beyond 1,000 characters or exponents of +-1000.
    """
    text = text.strip().removesuffix(".")
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_CHARS else None
    return _value(match) if match else None


def parse_quantity(text: str) -> Fraction | None:
    """Read a number that may carry a unit (``18 eggs``, ``$18 per day``) and nothing else that counts.

    Null, too, where more digits or an operator follow (``5 hours 30``, ``10+x``) or a word scales it (``2 million``).
    """
    text = text.strip()
    match = _NUMBER.match(text) if len(text) <= MAX_CHARS else None
    unit = _UNIT.fullmatch(text, match.end()) if match else None
    if match and unit and unit["word"].lower() not in _MAGNITUDES:
        return _value(match)
    return parse_number(text)


def _value(match: re.Match[str]) -> Fraction | None:
    whole = (match["whole"] or "0").replace(",", "")
    decimals = match["decimals"] or match["bare"] or ""
    exponent = match["exponent"] or "0"
    denominator = int(match["denominator"] or 1)
    if denominator == 0 or len(exponent) > 5 or abs(int(exponent)) > MAX_EXPONENT:
        return None
    value = Fraction(int(whole + decimals)) * Fraction(10) ** (int(exponent) - len(decimals)) / denominator
    return -value if (match["sign"] or match["late"]) in ("-", "−") else value
