"""Finds the proof in a completion: in a fence of its own, or as the continuation of a fence that the prompt opened.

Paper A's rule (arXiv 2506.02355, ``penalize_extra_text`` of its release): a proof ends the completion. What follows the
closing fence is not kept, but that something follows is: the text then ends with ``TEXT_AFTER``.
"""

from __future__ import annotations

from collections.abc import Collection

FENCE = "```"
TEXT_AFTER = f"\n{FENCE}\n..."


def fenced(completion: str, languages: Collection[str]) -> str | None:
    """Return the last fenced block of one of these languages, else the last without a language, else the whole text.

    The whole text only where it has no fence at all. Null where there is nothing, where all blocks are of other
    languages, and where the block is not closed: the completion was cut off, and what is there is no proof.
    """
    lines = completion.split("\n")
    blocks = _blocks(lines)
    if not blocks:
        return completion.strip() or None
    ours = [block for block in blocks if block[0] in languages] or [block for block in blocks if not block[0]]
    if not ours:
        return None
    _, first, last = ours[-1]
    return _closed(lines, first, last)


def continued(completion: str) -> str | None:
    """Return what comes before the first line that is a closing fence: the prompt ends inside the fence.

    Null where no line closes it, or nothing comes before.
    """
    lines = completion.split("\n")
    last = next((number for number, line in enumerate(lines) if line.strip() == FENCE), None)
    return _closed(lines, 0, last)


def _blocks(lines: list[str]) -> list[tuple[str, int, int | None]]:
    """Return language, first line and closing line (null = not closed) of every block."""
    blocks: list[tuple[str, int, int | None]] = []
    for number, line in enumerate(lines):
        word = line.strip()
        if not word.startswith(FENCE):
            continue
        if blocks and blocks[-1][2] is None and word == FENCE:
            blocks[-1] = (*blocks[-1][:2], number)
        else:
            blocks.append((word.strip("`").strip().lower(), number + 1, None))
    return blocks


def _closed(lines: list[str], first: int, last: int | None) -> str | None:
    code = "\n".join(lines[first:last])
    if last is None or not code.strip():
        return None
    return code + TEXT_AFTER * any(map(str.strip, lines[last + 1 :]))
