r"""The `multiple_choice` verifier: the letter, or set of letters, that a completion chooses among A to J.

A completion chooses, in this order,

1. in its last box: ``\boxed{C}``, ``\boxed{\text{(C)}}``, ``\boxed{A, C}``, ``\boxed{AC}``;
2. in its last statement: ``the answer is (C)``, ``Answer: C``, ``the correct options are A and C``, ``C is correct``;
3. in its last line, where that is letters alone: ``C``, ``(C)``, ``C.``, ``**A, C**``; or, where there is one line alone, the
   letter that opens it: ``C. Paris``, ``(C) Paris``.

Letters are capitals, or small ones in brackets, in a box or alone in the completion: in "the answer is a fruit" none is
chosen. ``A or B`` chooses nothing, nor does ``A`` or ``I`` before a word ("The answer is I do not know").
"""

from __future__ import annotations

import re

from curate.records import Verdict
from curate.verifying.boxed import last_boxed
from curate.verifying.last import last
from curate.verifying.verifier import Verifier

_ONE = r"(?:[A-J]\b|\([A-Ja-j]\))"
_LETTERS = rf"(?P<letters>{_ONE}(?:(?:\s*[,;&]\s*(?:and\s+)?|\s+and\s+)(?:\*\*)?{_ONE}){{0,9}})"
_IS = r"(?:is|are|was|be|must\s+be|should\s+be|would\s+be)"
_LEAD = r"[\s:=*_\"'$-]{0,8}(?:\\(?:text|textbf|mathrm|mathbf)\{)?"
_NOUN = r"(?:answers?|options?|choices?|letters?|statements?)"
_AFTER = r"(?!['’\w])(?!\s{0,3}(?:[=+*/^<>]\s|or\s+\(?[A-J]\b|/\s?\(?[A-J]\b))"
_STATEMENT = re.compile(
    rf"(?i:\banswers?\b|\b(?:correct|right|best)\s{{1,3}}{_NOUN}\b)(?i:{_LEAD}{_IS}\b)?(?i:{_LEAD}\b{_NOUN}\b)?"
    rf"{_LEAD}{_LETTERS}{_AFTER}"
)
_PRAISE = re.compile(
    rf"{_LETTERS}(?:\*\*)?\s{{1,3}}(?i:(?:is|are)\s{{1,3}}(?:the\s{{1,3}})?(?:only\s{{1,3}})?(?:correct|right)\b)"
)
_A_WORD = re.compile(r"\s+(?!because\b|since\b|as\b|which\b|with\b|for\b|is\b|and\b)[A-Za-z]")
_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\b|[\s*_$\\{}()\[\]\"'.:,;&]")
_ALONE = re.compile(r"[A-Ja-j]{1,10}")
_OPENING = re.compile(r"\(?(?P<letters>[A-J])[).:]\s")
MAX_CHARS = 100  # of a box or line that is letters alone


def extract(completion: str) -> str | None:
    """Return the chosen letters in order, ``A, C``; null where none is chosen, by the rules of this module."""
    boxed = last_boxed(completion)
    if boxed and (letters := _letters_alone(boxed.content)):
        return letters
    return _stated(completion) or _last_line(completion.strip())


def compare(extracted: str | None, answer: str) -> Verdict:
    """Judge equality of the sets of letters; an answer that is not letters alone (``C``, ``(C)``, ``A, C``) is an error."""
    wanted = _letters_alone(answer)
    if wanted is None:
        return Verdict("error", extracted, "answer is not letters from A to J")
    if extracted is None:
        return Verdict("unparsable", detail="no letter chosen")
    return Verdict("correct" if extracted == wanted else "incorrect", extracted)


def gold(answer: str, reference: str | None) -> str:
    """Return a sentence that chooses the answer."""
    return f"The answer is {_letters_alone(answer) or answer}"


def multiple_choice() -> Verifier:
    """Judge the letter (A to J), or set of letters, that the completion chooses: boxed, stated, or alone in its last line."""
    return Verifier("multiple_choice", extract, compare, gold)


def _stated(text: str) -> str | None:
    found = None
    for form in (_STATEMENT, _PRAISE):
        match = last(match for match in form.finditer(text) if not _is_word(match))
        if match and (found is None or match.end() > found.end()):
            found = match
    return _listed(found["letters"]) if found else None


def _is_word(match: re.Match[str]) -> bool:
    return match["letters"] in ("A", "I") and bool(_A_WORD.match(match.string, match.end("letters")))


def _last_line(text: str) -> str | None:
    line = text[text.rfind("\n") + 1 :]
    if line == text:
        opening = _OPENING.match(text)
        return _letters_alone(text) or (opening["letters"] if opening else None)
    return None if line.strip(".").islower() else _letters_alone(line)


def _letters_alone(text: str) -> str | None:
    """Read a text that is letters and nothing else: one, several apart, or capitals in order (``AC``)."""
    if len(text) > MAX_CHARS:
        return None
    words = re.sub(r"\band\b", ",", text)
    parts = [part for part in _MARKUP.sub(" ", words).split() if part]
    if len(parts) == 1 and len(parts[0]) > 1:
        parts = list(parts[0]) if parts[0].isupper() and "".join(sorted(set(parts[0]))) == parts[0] else []
    is_listed = len(parts) > 0 and all(len(part) == 1 and _ALONE.fullmatch(part) for part in parts)
    return _listed(",".join(parts)) if is_listed else None


def _listed(letters: str) -> str:
    return ", ".join(sorted({letter.upper() for letter in re.findall(r"\b[A-Ja-j]\b", letters)}))
