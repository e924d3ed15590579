"""Commands of Coq that no proof needs: those that touch files or processes, go back in the text, or switch checks off."""

from __future__ import annotations

import re

from curate.verifying.provers.comments import coq_code

_SENTENCE = re.compile(r"\.(?=\s)")
_BEFORE = re.compile(
    r"[\s{}*+-]++|#\[[^\]]*+\]|(?:\d++|all|!|\[\s*+\w++\s*+\])\s*+:\s*+\{|(?:Time|Fail|Succeed|Instructions|Local|Global|Timeout\s++\d++|Polymorphic|Monomorphic|Program)(?!\w)"
)
_FORBIDDEN = re.compile(
    r"(?:Redirect|Profile|Load|Cd|Pwd|Drop|Quit|Reset|Back|BackTo|Extraction|Extract|Separate|Recursive\s++Extraction|Debug"
    r"|Add\s++(?:Rec\s++)?(?:LoadPath|ML\s++Path)|Remove\s++LoadPath|Declare\s++ML\s++Module|Locate\s++(?:File|Library)"
    r"|Print\s++(?:Sorted\s++)?Universes|(?:Write|Restore)\s++State|(?:Set|Unset)\s++(?:Extraction|NativeCompute|Debug))(?!\w)"
)
_UNCHECKED = re.compile(r"(?<!\w)(?:(?:Guard|Positivity|Universe)\s++Checking|bypass_check)(?![\w'])")


def forbidden(text: str) -> str | None:
    """Return a forbidden command of a text; null where there is none.

    Those that touch files are looked for at the start of a sentence, and the names of the kernel's checks anywhere in the
    code. A second fence: the first is that the text is compiled where it can do no harm, and checked again by coqchk. A
    text can get by this one, with a notation that has the start of a comment or a string in a token of its own.
    """
    code = coq_code(text)
    if unchecked := _UNCHECKED.search(code):
        return " ".join(unchecked.group().split())
    start = 0
    while start < len(code):
        found = _SENTENCE.search(code, start)
        end = found.end() if found else len(code)
        while before := _BEFORE.match(code, start, end):
            start = before.end()
        if command := _FORBIDDEN.match(code, start, end):
            return " ".join(command.group().split())
        start = end
    return None
