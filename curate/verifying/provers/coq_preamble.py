"""Takes out of a completion what the answer states before its theorem: it is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curate.verifying.provers.comments import coq_code

_END = re.compile(r"\.(?=\s|\Z)")
_AGAIN = re.compile(r"(?:From|Require|Import|Export|(?:(?:Local|Global)\s+)?(?:Open|Set|Unset))\b")


def without_preamble(text: str, preamble: str) -> str:
    """Return the text without the sentences of the preamble, where it begins with all of them.

    They may stand there with other white space and comments between them. What can be said twice is not compared, so
    either may have other imports, scopes and settings. A text that begins in another way is returned as it is.
    """
    stated = [sentence for _, _, sentence in _sentences(preamble)]
    kept, last = [], 0
    sentences = _sentences(text)
    for asked in stated:
        start, end, sentence = next(sentences, (0, 0, ""))
        if sentence != asked:
            return text
        kept.append(text[last:start])
        last = end
    return "".join([*kept, text[last:]])


def _sentences(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield place and words of every sentence that cannot be said twice; its comments count but for those before it."""
    code, last = coq_code(text), 0
    for mark in _END.finditer(code):
        start = mark.end() - len(code[last : mark.end()].lstrip())
        last = mark.end()
        sentence = " ".join(text[start:last].split())
        if not _AGAIN.match(sentence):
            yield start, last, sentence
