"""Find the program in a completion: the last fence of code."""

from __future__ import annotations

_PYTHON = frozenset({"python", "python3", "py"})


def last_program(completion: str) -> str | None:
    """Return the last fence marked as Python, else the last fence, else the whole text where it has no fence.

    A fence is a line that opens with three backticks or more, up to one of at least as many backticks alone. Null where the
    fence chosen is never closed (the completion was cut off) or holds nothing but white space. Linear in the text.
    """
    last: str | None = None
    last_python: str | None = None
    any_fence = any_python = False
    lines = completion.split("\n")
    at = 0
    while at < len(lines):
        mark, language = _opening(lines[at])
        at += 1
        if not mark:
            continue
        start = at
        while at < len(lines) and not _closes(lines[at], mark):
            at += 1
        program = "\n".join(lines[start:at]) if at < len(lines) else None
        at += 1
        any_fence, last = True, program
        if language in _PYTHON:
            any_python, last_python = True, program
    program = last_python if any_python else last if any_fence else completion
    return program if program and program.strip() else None


def _opening(line: str) -> tuple[int, str]:
    """Return how many backticks open the line (0 for fewer than three) and the language named behind them."""
    text = line.strip()
    rest = text.lstrip("`")
    words = rest.split(maxsplit=1)
    mark = len(text) - len(rest)
    return (mark if mark >= 3 and "`" not in rest else 0), (words[0].lower() if words else "")


def _closes(line: str, mark: int) -> bool:
    text = line.strip()
    return len(text) >= mark and not text.strip("`")
