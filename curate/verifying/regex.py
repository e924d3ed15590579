"""The `regex` verifier: the group of a pattern, matched in linear time by RE2, against the answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from curate.errors import ConfigError
from curate.records import Verdict
from curate.verifying.last import last
from curate.verifying.numbers import parse_number
from curate.verifying.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHARS = 10_000  # of what is extracted
MAX_BEFORE = 4_000  # characters before the last place a match starts that a match over that place may start at

_SURROGATE = re.compile("[\ud800-\udfff]")


def regex(
    pattern: str,
    which: Literal["last", "first"] = "last",
    ignore_case: bool = False,
    compare: Literal["exact", "numeric"] = "exact",
) -> Verifier:
    r"""Judge the group of a pattern (its only one, or the one named answer) in its last or first match against the answer.

    pattern: RE2 syntax: Perl's without backreferences and look-around, such as '(?s)<answer>(.*?)</answer>'.
    which: the match that counts. ignore_case: letters of the pattern match in either case.
    compare: exact (as text, white space around it aside) or numeric (as exact numbers: 1,800.0 is 1800).
    """
    extract = _extractor(pattern, which, ignore_case)
    judge = compare_numbers if compare == "numeric" else compare_text

    def gold(answer: str, reference: str | None) -> str | None:
        candidates = [text for text in (answer, reference) if text is not None]
        return next((text for text in candidates if judge(extract(text), answer).outcome == "correct"), None)

    return Verifier("regex", extract, judge, gold)


def compare_text(extracted: str | None, answer: str) -> Verdict:
    """Judge equality as text with the stripped answer; no match, or an empty group, is unparsable."""
    if extracted is None:
        return Verdict("unparsable", detail="no match")
    return Verdict("correct" if extracted == answer.strip() else "incorrect", extracted)


def compare_numbers(extracted: str | None, answer: str) -> Verdict:
    """Judge equality as exact numbers; an answer that is no number is an error, a group that is none unparsable."""
    wanted = parse_number(answer)
    if wanted is None:
        return Verdict("error", extracted, "answer is not a number")
    if extracted is None:
        return Verdict("unparsable", detail="no match")
    given = parse_number(extracted)
    if given is None:
        return Verdict("unparsable", extracted, "not a number")
    return Verdict("correct" if given == wanted else "incorrect", extracted)


def _extractor(pattern: str, which: str, ignore_case: bool) -> Callable[[str], str | None]:
    """Return ``extract``: the stripped group; null without a match, where it is empty, and over 10,000 characters."""
    compiled = _compile(pattern, ignore_case)
    group = _answer_group(compiled, pattern)
    # A greedy start finds the last place where a match starts in one pass: trying match after match would be quadratic.
    last_start = _compile(f"(?s:.*)({pattern})", ignore_case) if which == "last" else None

    def extract(completion: str) -> str | None:
        text = _SURROGATE.sub("\ufffd", completion)
        if last_start is None:
            match = compiled.search(text)
            found = match.group(group) if match else None
        else:
            found = _last_found(compiled, last_start, group, text)
        return (found.strip() or None) if found and len(found) <= MAX_CHARS else None

    return extract


def _last_found(compiled: Any, last_start: Any, group: int, text: str) -> str | None:
    """Return the group of the last of the matches one after the other around the last place where one starts.

    Of ``(\\d+)`` that place is the last digit, and the match over it is the whole number. Null where it is longer than
    what is read before that place.

    Where not all of the text before it is read, matches may begin at the wrong mark of marks that are alike
    (``**one** then **two**``). One that ends inside of the match at that place is such, and that match counts.
    """
    found = last_start.match(text)
    if found is None:
        return None
    place, end = found.span(1)
    first = max(0, place - MAX_BEFORE)
    match = last(compiled.finditer(text, first, min(len(text), place + MAX_CHARS + 1000)))
    if match is None or match.end() <= place or (first > 0 and match.end() < end):
        return found.group(group + 1)  # type: ignore[no-any-return]
    return None if 0 < first == match.start() else match.group(group)


def _compile(pattern: str, ignore_case: bool) -> Any:
    try:
        import re2
    except ImportError:
        raise ConfigError("verifier regex needs RE2: pip install 'curate[regex]'") from None
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    try:
        return re2.compile(_SURROGATE.sub("\ufffd", pattern), options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ConfigError(
            f"verifier regex: pattern {pattern!r}: {reason}; RE2 has no backreferences and no look-around, as they take "
            "more than linear time"
        ) from None


def _answer_group(compiled: Any, pattern: str) -> int:
    named: int | None = compiled.groupindex.get("answer")
    if named is None and compiled.groups != 1:
        raise ConfigError(
            f"verifier regex: pattern {pattern!r} has {compiled.groups} groups: mark the answer with the only one, (...), "
            "or with (?P<answer>...)"
        )
    return named or 1
