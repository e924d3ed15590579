r"""The `multiple_choice` verifier: the letter, or set of letters, that a completion chooses among A to J.

A completion chooses by the first of these that it has:

1. its last box: ``\boxed{C}``, ``\boxed{\text{(C)}}``, ``\boxed{A, C}``, ``\boxed{AC}``, ``\boxed{\textbf{(C) }12}``;
2. its last statement: ``the answer is (C)``, ``Answer: C``, ``the correct options are A and C``, ``<answer>C</answer>``;
3. its last praise: ``C is correct``, ``option C is the answer``;
4. its last line: letters alone (``C``, ``(C)``, ``**A, C**``, ``Option C``), or the letter that opens it (``C. Paris``, ``**(C) Paris**``).

Letters are capitals, or small ones in brackets, in a box or alone in the completion: in "the answer is a fruit" none is
chosen. ``A`` or ``I`` before a word is that word ("The answer is B, I think"). What is denied, asked or supposed ("neither A
nor B is correct", "Is the answer A?", "if B is correct") is passed over. A last statement that hedges ("A or B", "A-D") chooses
nothing, nor does the letter that opens a line where other letters open lines or the line holds another choice: a list.
"""

from __future__ import annotations

import re
from collections import deque

from curate.records import Verdict
from curate.verifying.boxed import last_boxed
from curate.verifying.verifier import Verifier

MAX_CHARS = 100  # of a box or line that is letters alone
MAX_STATEMENTS = 50  # of one form that are looked at, the last ones
MAX_CLAUSE = 80  # characters before a choice that are looked at for a denial

_FONT = r"\\(?:text|textbf|mathrm|mathbf)"
_ONE = r"(?:[A-J]\b|\([A-Ja-j]\))"
_OPEN = rf"[*_\"'$`\[]{{0,3}}(?:\\\()?(?:{_FONT}\{{)?"
_CLOSE = r"(?:\\?[)\]}]|[*_\"'$`]){0,4}"
_AND = r"(?:\s{0,3}[,;&]\s{0,3}(?:and\s{1,3})?|\s{1,3}and\s{1,3})"
_LETTERS = rf"(?P<letters>{_ONE}(?:{_CLOSE}{_AND}{_OPEN}{_ONE}){{0,9}})"
_LEAD = rf"[\s:=*_\"'$`\[>→-]{{0,8}}(?:\\\()?(?:{_FONT}\{{)?"
_NOUN = r"(?:answers?|options?|choices?|letters?|statements?)"
_OF = r"(?:to|for)\s(?:(?:this|the)\s)?(?:[\w-]{1,20}\s)?(?:question|problem)(?:\s\d{1,3})?"
_IS = r"(?:is|are|was|be|must\s+be|should\s+be|would\s+be)"
_SURELY = r"(?:clearly|definitely|certainly|obviously|indeed|simply|actually|therefore|thus|hence|then|both|(?:most\s)?likely|probably)"
_SAYS = re.compile(rf"\b{_IS}\b|[:=>→-]", re.IGNORECASE)
_NOT_THE_SUBJECT = "".join(  # not "Is the answer B?", nor "B is the answer: C is too small"
    rf"(?<![A-J)*]\sis\sthe\s{word})(?<!\bIs\sthe\s{word})" for word in ("", r"correct\s", r"right\s", r"best\s")
)
_STATEMENT = re.compile(
    rf"(?<!</){_NOT_THE_SUBJECT}(?i:\banswers?\b(?:\s(?:choice|option|letter)s?\b)?|\b(?:correct|right|best)\s{{1,3}}{_NOUN}\b)"
    rf"(?i:\s(?:here|{_OF})\b)?(?i:{_LEAD}\b{_IS}\b)?(?i:\s{_SURELY}\b)?(?i:{_LEAD}\b{_NOUN}\b)?"
    rf"{_LEAD}{_LETTERS}(?!\w|['’]\w)(?!\s{{0,3}}[=+*/^<>]\s)"
)
_PRAISE = re.compile(
    rf"(?<![\w'’\\-])(?>{_LETTERS}{_CLOSE})\s{{1,3}}(?P<verb>is|are)\s{{1,3}}(?i:(?:the|my|our)\s{{1,3}})?(?i:only\s{{1,3}})?"
    rf"(?i:correct|right(?!-|\s(?:of|next|angle|triangle)\b)|answers?|best\s{_NOUN})\b"
)
_ASKED = re.compile(rf"{_CLOSE}\s?\?")
_REFUTED = re.compile(
    rf"(?i){_CLOSE}[\s.:]{{0,3}}\b(?:(?:is|are|was|were)(?:n['’]t|\s(?:also\s|clearly\s)?"
    r"(?:not|wrong|false|incorrect|too|impossible))|cannot|can['’]t|does\snot|doesn['’]t)\b"
)
_HEDGE = re.compile(  # after the letters
    rf"{_CLOSE}[\s,.(]{{0,4}}(?i:(?:and/)?or|maybe|perhaps|possibly)\b[^.;:?!\n]{{0,25}}?(?<!\w)(?:[A-HJ]\b|\([a-j]\)|I\b(?!\s[a-z]))"
    rf"|{_CLOSE}\s{{0,3}}(?:[|/]|\b(?:to|through)\s|[-–—])\s{{0,3}}{_OPEN}{_ONE}(?!\s[a-z])"
    rf"|[*_$]{{0,3}}[ \t]{{1,3}}{_OPEN}{_ONE}(?!\s[a-z])"
)
_BORDER = re.compile(r"[.!?;:,\n]|\b(?:but|so|and|thus|hence|therefore|then|because|since|as)\b", re.IGNORECASE)
_DENIED = re.compile(  # in the clause before the letters
    r"\b(?:not(?!\s(?:hard|difficult)\b)|cannot|never|neither|nor|none|nobody|hardly|unlikely|impossible|i\sdoubt|false\sthat|wrong\sthat)\b"
    r"|n['’]t\b|\b(?:if|whether|unless|suppose|assum\w{1,3}|imagine)\b.{0,15}$"
    r"|\b(?:(?:either|or|angle|triangle|vertex)\s(?:at\s|option\s)?|statements?\s(?=I$))[*(I]{0,3}$",
    re.IGNORECASE,
)
_A_WORD = re.compile(r"\s+(?!because\b|since\b|as\b|which\b|with\b|for\b|is\b|are\b|and\b|or\b|to\b|through\b)[A-Za-z]")
_VERB = re.compile(
    r"\s{1,3}(?:is|was|being|has|would|(?P<all>are|were))\b(?!\s(?:also\s|both\s|all\s)?(?:the\s)?(?:correct|right|true)\b)"
)
_MARKUP = re.compile(rf"{_FONT}\b|[\s*_$\\{{}}()\[\]\"'.:,;&]")
_ALONE = re.compile(r"[A-Ja-j]{1,10}")
_NAMED = re.compile(r"\b(?:option|choice|answer)\b", re.IGNORECASE)
_OPENING = re.compile(
    rf"^[ *_$]{{0,6}}(?:{_FONT}\{{)?(?i:option\s|choice\s)?\(?(?P<letters>[A-J])[).:](?:[\s\\~}}]|\*\*\s)", re.MULTILINE
)
_CHOICE = re.compile(r"(?<!\w)\(?(?P<letters>[A-J])(?:\)(?!\w)|[.:]\s)")


def extract(completion: str) -> str | None:
    """Return the chosen letters in order, ``A, C``; null where none is chosen, by the rules of this module."""
    boxed = last_boxed(completion)
    if boxed and (letters := _letters_alone(_NAMED.sub(" ", boxed.content)) or _opening(boxed.content, boxed.content)):
        return letters
    for form in (_STATEMENT, _PRAISE):
        latest = reversed(deque(form.finditer(completion), MAX_STATEMENTS))
        match = next((match for match in latest if not _is_passed_over(match)), None)
        if match:
            return None if _HEDGE.match(completion, match.end()) else _chosen(match)
    return _last_line(completion.strip())


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


def _is_passed_over(match: re.Match[str]) -> bool:
    """Tell whether the letter is a word, or the choice is asked, refuted or denied."""
    text, end = match.string, match.end("letters")
    if match["letters"] in ("A", "I") and _A_WORD.match(text, end):
        return True
    before = text[max(0, match.start() - MAX_CLAUSE) : match.start()]
    clause = _BORDER.split(before)[-1] + ("I" if match["letters"] == "I" else "")
    is_one_subject = len(match["letters"]) <= 3 or not _SAYS.search(text, match.start(), match.start("letters"))
    is_refuted = is_one_subject and _REFUTED.match(text, end)  # not "Answer: D; A is wrong"
    return bool(is_refuted or _ASKED.match(text, match.end()) or _DENIED.search(clause))


def _chosen(match: re.Match[str]) -> str:
    """Read a list of letters without those that begin the next clause: ``B, I think``, ``D; A is too small``."""
    letters = re.findall(r"\b[A-Ja-j]\b", match["letters"])
    end = match.end("letters")
    if match.re is _PRAISE:
        letters = letters[-1:] if match["verb"] == "is" and " and " not in match["letters"] else letters
    elif len(letters) > 1:
        verb = _VERB.match(match.string, end)
        if verb and verb["all"]:
            letters = letters[:1]
        elif verb or (letters[-1] in ("A", "I") and _A_WORD.match(match.string, end)):
            letters = letters[:-1]
    return _listed(letters)


def _last_line(text: str) -> str | None:
    line = text[text.rfind("\n") + 1 :]
    if line != text and line.strip(".").islower():
        return None
    return _letters_alone(_NAMED.sub(" ", line)) or _opening(line, text)


def _opening(line: str, text: str) -> str | None:
    """Read the letter that opens a line, where no other opens a line of the text or stands in this one as a choice does."""
    opening = _OPENING.match(line)
    if not opening or _HEDGE.match(line, opening.end("letters")) or _REFUTED.match(line, opening.end("letters")):
        return None
    choices = {
        match["letters"] for form, where in ((_OPENING, text), (_CHOICE, line)) for match in form.finditer(where)
    }
    return opening["letters"] if choices <= {opening["letters"]} else None


def _letters_alone(text: str) -> str | None:
    """Read a text that is letters and nothing else: one, several apart, or capitals in order (``AC``)."""
    if len(text) > MAX_CHARS:
        return None
    words = re.sub(r"\band\b", ",", text)
    parts = [part for part in _MARKUP.sub(" ", words).split() if part]
    if len(parts) == 1 and len(parts[0]) > 1:
        parts = list(parts[0]) if parts[0].isupper() and "".join(sorted(set(parts[0]))) == parts[0] else []
    is_listed = len(parts) > 0 and all(len(part) == 1 and _ALONE.fullmatch(part) for part in parts)
    return _listed(parts) if is_listed else None


def _listed(letters: list[str]) -> str:
    return ", ".join(sorted({letter.upper() for letter in letters}))
