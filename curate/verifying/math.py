r"""The `math` verifier: the boxed or stated answer against the right one, as math-verify compares them.

Verdicts are those of math-verify 0.9 (github.com/huggingface/Math-Verify), ``verify(parse(answer), parse(completion))``, with
its own timeouts off: they raise inside of the worker where sympy may catch them or never return. The worker is killed instead.
What is different is what is read: see ``extract``.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.boxed import last_boxed
from curate.verifying.stated import last_stated, stated_as_final
from curate.verifying.verifier import Limits, Verifier

LIMITS = Limits(seconds=10, memory_mb=2000)

_MARKED = re.compile(r"\n|\$[^$]+\$|(?<!\\)\\[(\[]|\\(?:boxed|fbox)\{")
_NATURAL = "(?:0|[1-9][0-9]{0,29})"
_RATIONAL = re.compile(rf"(-?)(?:\\[dt]?frac\{{({_NATURAL})\}}\{{({_NATURAL})\}}|({_NATURAL})(?:/({_NATURAL}))?)")


def extract(completion: str) -> str | None:
    r"""Return what the last ``\boxed`` or ``\fbox`` holds, or a ``final answer ... is`` after it states.

    Without a box it is what the text states (``last_stated``); null where that is nothing. Unlike math-verify, an answer
    that cannot be read does not lead on to some other number of the text, and white space at its ends never counts.
    """
    boxed = last_boxed(completion)
    return last_stated(completion) if boxed is None else stated_as_final(completion[boxed.end :]) or boxed.content


def stated_by(answer: str) -> str | None:
    """Return what an answer says: of a box, a formula or a solution what ``extract`` finds in it, of others all."""
    answer = answer.strip()
    return extract(answer) if _MARKED.search(answer) else answer or None


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge whether both are equal as mathematics; the answer may be bare, a formula, a box or a solution with one.

    An answer that cannot be read as mathematics is an error (reward null). Nothing found in the completion, or nothing
    that can be read, is unparsable.
    """
    wanted = stated_by(answer)
    if wanted is None or (_rational(wanted) is None and _parsed(wanted) is None):
        return Verdict("error", extracted, "answer is not readable as mathematics")
    if extracted is None:
        return Verdict("unparsable", detail="no answer found")
    rationals = _rational(wanted), _rational(extracted)
    if None not in rationals:
        return Verdict("correct" if rationals[0] == rationals[1] else "incorrect", extracted)
    gold, given = _parsed(wanted), _parsed(extracted)
    if gold is None or given is None:
        return Verdict("unparsable", extracted, "not readable as mathematics")
    return Verdict("correct" if _equal(gold, given) else "incorrect", extracted)


def gold(answer: str, reference: str | None) -> str:
    """Return the answer in a box."""
    return f"\\boxed{{{stated_by(answer) or answer}}}"


def math() -> Verifier:
    r"""Judge the last \boxed{...} (or stated answer) against the answer, equal as mathematics (math-verify)."""
    try:
        import math_verify
    except ImportError:
        raise ConfigError("verifier math needs math-verify: pip install 'curate[math]'") from None
    logging.getLogger(math_verify.__name__).setLevel(logging.ERROR)  # it warns that its timeouts are off
    return Verifier("math", extract, compare, gold, LIMITS)


def _rational(content: str) -> Fraction | None:
    """Read an integer or a fraction of two, most answers, at a thousandth of the cost; math-verify judges them alike."""
    match = _RATIONAL.fullmatch(content)
    if match is None:
        return None
    sign, *parts = match.groups()
    numerator, denominator = int(parts[0] or parts[2]), int(parts[1] or parts[3] or 1)
    return Fraction(-numerator if sign else numerator, denominator) if denominator else None


@lru_cache(maxsize=1024)  # the samples of a group share their answer
def _parsed(content: str) -> list[Any] | None:
    """Return what math-verify reads in a box with this content; null where that is no mathematics."""
    import math_verify
    from sympy import Basic, MatrixBase

    found: list[Any] = math_verify.parse(f"\\boxed{{{content}}}", parsing_timeout=None)
    return found if any(isinstance(each, (Basic, MatrixBase)) for each in found) else None


def _equal(gold: list[Any], given: list[Any]) -> bool:
    import math_verify

    return bool(math_verify.verify(gold, given, timeout_seconds=None))
