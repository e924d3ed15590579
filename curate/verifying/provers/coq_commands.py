"""Commands of Coq that no proof needs: those that touch files or processes, or go back in the text."""

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


def forbidden(text: str) -> str | None:
    """Return the first command of a text that is forbidden; null where there is none.

    A second fence: the first is that the text is compiled where it can do no harm.
    """
    code = coq_code(text)
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
