"""Find the program in a completion: the last fence of code."""

from __future__ import annotations

_PYTHON = frozenset({"python", "python3", "py"})


def last_program(completion: str) -> str | None:
    """Return the last fence marked as Python, else the last fence, else the whole text where it has no fence.

    A fence is a line that opens with three backticks or more, or with tildes and the name of Python, up to one of at least as many of
    them alone. Where it is indented (in a list), so much is taken off its lines. Null where the fence chosen is never closed (the
    completion was cut off) or holds nothing but white space. Linear in the text.
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
        program = "\n".join(_dedented(lines[start:at], lines[start - 1])) if at < len(lines) else None
        at += 1
        any_fence, last = True, program
        if language in _PYTHON:
            any_python, last_python = True, program
    program = last_python if any_python else last if any_fence else completion
    return program if program and program.strip() else None


def _opening(line: str) -> tuple[str, str]:
    """Return the backticks or tildes that open the line (none for fewer than three) and the language named behind them.

    Tildes without the name of Python open nothing: in plain programs they underline.
    """
    text = line.strip()
    rest = text.lstrip(text[:1]) if text[:1] in ("`", "~") else text
    mark = text[: len(text) - len(rest)]
    words = rest.split(maxsplit=1)
    language = words[0].lower() if words else ""
    opens = len(mark) >= 3 and (language in _PYTHON if mark[0] == "~" else "`" not in rest)
    return (mark if opens else ""), language


def _closes(line: str, mark: str) -> bool:
    text = line.strip()
    return len(text) >= len(mark) and not text.strip(mark[0])


def _dedented(lines: list[str], opening: str) -> list[str]:
    """Take the indentation of the opening off its lines, or as many spaces as there are; none where the first has less."""
    indentation = opening[: len(opening) - len(opening.lstrip())]
    first = next((line for line in lines if line.strip()), "")
    if not indentation or not first.startswith(indentation):
        return lines
    n = len(indentation)
    return [line[n:] if line.startswith(indentation) else line[:n].lstrip(" ") + line[n:] for line in lines]
