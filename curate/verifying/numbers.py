"""Reads numbers out of hostile text: linear in its length, exact, never through float.

A number is ASCII digits with an optional sign (a hyphen, minus or en dash, or ``+``), currency sign (``$`` or ``\\$``),
thousands commas, decimals, exponent, simple denominator (``3/4``) and percent sign. ``50%`` is 50, not 0.5: answers state
percentages both ways round and the sign is their unit. Other LaTeX, mixed numbers (``2 1/2``), products, powers, roots,
words that scale (``1.5 million``) and decimal commas are not read, and nothing is read out of them.
"""

from __future__ import annotations

import re
from fractions import Fraction

from curate.verifying.last import last

# Python refuses int() beyond 4,300 digits and 10**exponent grows without bound: longer numbers equal no answer.
MAX_CHARS = 1000
MAX_EXPONENT = 1000

_MINUS = "-−‐‑‒–"
_MONEY = r"(?:\\?[$€£])"
_DIGITS = r"""(?:(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.(?P<decimals>[0-9]+))?|\.(?P<bare>[0-9]+))
    (?:[eE](?P<exponent>[-−+]?[0-9]+))?
    (?:/(?P<denominator>[0-9]+))?
    (?:[ ]?%)?"""
_NUMBER = re.compile(
    rf"(?:{_MONEY}(?P<late>[{_MINUS}])|(?:(?P<sign>[{_MINUS}+])[ ]?)?{_MONEY}?){_DIGITS}",
    re.VERBOSE,
)
_SCALE = (
    "(?:dozens?|tens|(?:hundred|thousand|(?:m|b|tr)illion)(?:s|ths)?|tenths|thirds|halves|squared|cubed|and[ ]a[ ]half)"
)

# How numbers stand in a text. Digits right after a letter, digit, _, ^ or dot start none (the 2 of H2O). Groups are atomic:
# what is part of something is not read up to where it is none.
_START = r"(?<![A-Za-z0-9_^.])"
_ATOM = re.sub(r"\?P<\w+>", "?:", rf"(?>{_DIGITS})")
_ANY = rf"(?>[{_MINUS}+]?{_MONEY}?{_ATOM})"
_SIGN = rf"(?:{_MONEY}[{_MINUS}]|(?:(?<!\))[{_MINUS}+])?{_MONEY}?)"
_SPACED_SIGN = rf"(?:(?:\A|(?<=[=:≈$({{])|(?<=[=:≈][ ])|(?<=[ ]is[ ]))[{_MINUS}][ ]{_MONEY}?)"
# 3 × 10, 3*4, 2**10, 3 x 4, 1/2/3, 3:30, 1{,}000, 1\,000, 1'000
_JOINT = r"""(?:[ ]?(?:[×·⋅÷]|\\(?:times|cdot|div)(?![A-Za-z]))[ ]?|\*\*?|[ ]\*\*?[ ]|[xX]|[ ][xX][ ]|/|[ ]/[ ]
    |:|\{,\}|\\[,;:!]|['’\u00a0\u2009\u202f])"""
# √2, \sqrt{2}, \frac12, the }{2 of \frac{1}{2}, minus 5, -(5), -**5**, -\mathbf{5}
_LEAD = rf"""(?:(?:[√∛±]|\}}\{{|\\pm(?![A-Za-z])|\\sqrt(?:\[[^\]\n]{{0,9}}\])?|\\[dtc]?frac|\\[dt]?binom
    |\b(?i:minus|negative|root[ ]of|power[ ]of)\b)[ ]?[({{]?[ ]?
    |[{_MINUS}](?:(?:\\[A-Za-z]{{1,20}})?[({{\[]|\*{{1,3}}))"""
# 2^10 (but not 90^\circ), 3 × a, 2√3, 2π, 2½, 2², 1.2.3, 1_000, 5k, 2 million
_TRAIL = rf"""(?:[ ]?(?:\^(?!\{{?(?:\\circ|°))|[×·⋅÷√π½⅓⅔¼¾⅕-⅞]|\\(?:times|cdot|div|pm|pi|sqrt)(?![A-Za-z]))
    |[²³¹⁰⁴-⁹]|\.[0-9]|_[0-9]|(?:[kKMB]|[bm]n)\b|[ -]?(?i:{_SCALE})\b)"""
_TOKEN = re.compile(
    rf"""(?=[{_MINUS}+0-9.$€£^_√∛±}}\\mnrpMNRP])(?:
    (?P<raised>[\^_](?:\{{[^{{}}\n]{{0,100}}\}}|\([^()\n]{{0,100}}\)|[{_MINUS}+]?[0-9./]*))
    |(?P<part>{_LEAD}{_ANY}
        |{_START}{_ANY}(?:{_JOINT}{_ANY})+
        |{_START}{_ANY}(?={_TRAIL})
        |{_START}[{_MINUS}]?[0-9]+[ ](?:and[ ])?[0-9]+/[0-9]+
        |(?<![A-Za-z0-9_^.,(\[{{])(?![0-9]{{1,3}},[0-9]{{3}}(?![0-9]))[0-9]++,[0-9]++(?!,))
    |{_START}(?:{_SPACED_SIGN}|{_SIGN}){_ATOM})""",
    re.VERBOSE,
)
_UNIT = re.compile(
    r"[ ]?[$€£°]|(?:\s+\(?|/)(?P<word>(?:[ckdm]?m|ft|in|yd|mi)(?:\^\{?[23]\}?|[²³])|[A-Za-z]+)(?P<rest>[^0-9+*=^]*)"
)
_SCALES = re.compile(rf"{_SCALE}|k|m|bn", re.VERBOSE | re.IGNORECASE)
_GOES_ON = re.compile(r"\b(?:plus|minus|and a half)\b", re.IGNORECASE)


def last_number(text: str) -> str | None:
    """Return the text of the last number in ``text``; null where there is none, or where it is a part of something else.

    Such are ``2^10``, ``3 × 10^5``, ``1/2/3``, ``√2``, ``minus 2``, ``1.5 million``, ``2 1/2`` and ``12,5``. A minus is a sign
    only where no digit, letter or closing bracket touches it (``10-18`` ends in 18), and before a space only after ``=``,
    ``:``, ``is`` or an opening bracket, or where it opens the text (``10 - 18`` ends in 18).
    """
    found = last(token for token in _TOKEN.finditer(text) if token["raised"] is None)
    return found.group() if found and found["part"] is None else None


def parse_number(text: str) -> Fraction | None:
    """Read the whole text, white space and a full stop aside, as one exact number.

    Null where it is no number, where the denominator is 0, and beyond 1,000 characters or exponents of +-1000.
    """
    text = text.strip().removesuffix(".")
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_CHARS else None
    return _value(match) if match else None


def parse_quantity(text: str) -> Fraction | None:
    """Read a number that may carry a unit (``18 eggs``, ``$18 per day``, ``18 m^2``) and nothing else that counts.

    Null, too, where more digits, an operator or its name follow (``5 hours 30``, ``10+x``, ``18 minus two``) or a word scales
    it (``2 million``).
    """
    text = text.strip().removesuffix(".")
    match = _NUMBER.match(text) if len(text) <= MAX_CHARS else None
    unit = _UNIT.fullmatch(text, match.end()) if match else None
    if match and unit and not _SCALES.fullmatch(unit["word"] or "") and not _GOES_ON.search(text):
        return _value(match)
    return parse_number(text)


def _value(match: re.Match[str]) -> Fraction | None:
    whole = (match["whole"] or "0").replace(",", "")
    decimals = match["decimals"] or match["bare"] or ""
    exponent = (match["exponent"] or "0").replace("−", "-")
    denominator = int(match["denominator"] or 1)
    if denominator == 0 or len(exponent) > 5 or abs(int(exponent)) > MAX_EXPONENT:
        return None
    value = Fraction(int(whole + decimals)) * Fraction(10) ** (int(exponent) - len(decimals)) / denominator
    return -value if (match["sign"] or match["late"] or "+") in _MINUS else value
