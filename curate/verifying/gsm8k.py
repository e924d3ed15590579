"""The `gsm8k` verifier: the final answer line of a grade-school solution against the reference.

Answer lines are written ``#### 18`` in the published problems and ``A: 18`` in the published model solutions
(github.com/openai/grade-school-math). The marker must open its line: "what Publisher A: pays" states no answer.
"""

from __future__ import annotations

import re

from curate.records import Verdict
from curate.verifying.numbers import parse_number, parse_quantity
from curate.verifying.verifier import Verifier

MARKERS = ("A:", "####")

_MARKED_UP = re.compile(r"(?:\*\*([^*]+)\*\*|\$([^$]+)\$|\\\((.+)\\\)|\\boxed\{([^{}]+)\})((?:\s.*)?)\.?")


def extract(completion: str) -> str | None:
    """Return what follows the marker on the last line that opens with one.

    Null where no line does, or where that line is empty (a completion cut off right there).
    """
    for line in reversed(completion.split("\n")):
        line = line.strip()
        for marker in MARKERS:
            if line.startswith(marker):
                return line.removeprefix(marker).strip() or None
    return None


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge equality as exact numbers with the answer, a bare number or a reference solution with an answer line.

    An answer that is no number is an error (reward null). No answer line is unparsable. The line may carry a unit
    (``18 eggs``) and the number be bold, a formula or in a box (``**18** eggs``, ``$\\boxed{18}$``); one that states no single
    number (``10+John's age``, ``-1.8 billion``) is incorrect.
    """
    wanted = parse_number(extract(answer) or answer)
    if wanted is None:
        return Verdict("error", extracted, "answer is not a number")
    if extracted is None:
        return Verdict("unparsable", detail="no final answer line")
    given = parse_quantity(_plain(extracted))
    if given is None:
        return Verdict("incorrect", extracted, "final answer line is not a number")
    return Verdict("correct" if given == wanted else "incorrect", extracted)


def _plain(line: str) -> str:
    """Take the marks off a number that opens the line, three deep at most: ``**$\\boxed{18}$** eggs`` is ``18 eggs``."""
    for _ in range(3):
        found = _MARKED_UP.fullmatch(line)
        if found is None:
            break
        line = "".join(filter(None, found.groups()))
    return line


def gold(answer: str, reference: str | None) -> str:
    """Return an answer line with the answer."""
    return f"#### {extract(answer) or answer}"


def gsm8k() -> Verifier:
    """Judge the last line that opens with ``A:`` or ``####`` against the answer, as exact numbers."""
    return Verifier("gsm8k", extract, compare, gold)
