"""Cuts a completion into steps for the rules: one step a line, the final answer line within the last."""

from __future__ import annotations

import re

from curate.records import Step

_MARKER = re.compile(
    r"(?:A:|####|\$*\\boxed\{)|(?:(?:so|thus|hence|therefore),? )?(?:the )?(?:final )?answer(?: is|:)", re.I
)
_MAX_ANSWER_CHARS = 200


def split(completion: str) -> list[Step]:
    r"""Split a completion into its non-empty lines, each with the character offset where it starts.

    ``completion[step.offset:].startswith(step.text)`` holds for every step. A line that only states the final answer
    (see ``is_answer_line``) is no step of its own: the step before it runs on to its end. Only a completion that
    opens with such a line has it as a step. An empty completion has no steps. Lines end at ``\n``.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for line in completion.split("\n"):
        text = line.strip()
        if text:
            begin = start + line.index(text[0])
            end = begin + len(text)
            spans.append((spans.pop()[0] if spans and is_answer_line(text) else begin, end))
        start += len(line) + 1
    return [Step(completion[begin:end], begin) for begin, end in spans]


def is_answer_line(line: str) -> bool:
    r"""Say whether a stripped line only states a final answer.

    It opens with ``A:``, ``####``, ``\boxed{``, ``Answer:`` or ``(So the final) answer is`` and computes nothing: a
    line with an equals sign, or of more than 200 characters, is reasoning.
    """
    return len(line) <= _MAX_ANSWER_CHARS and "=" not in line and _MARKER.match(line) is not None


def final_answer(solution: str) -> str | None:
    """Return what follows the marker of the last answer line of a solution, null where it has none."""
    for line in reversed(solution.split("\n")):
        line = line.strip()
        marker = _MARKER.match(line) if is_answer_line(line) else None
        if marker:
            return line[marker.end() :].strip(" \t.:}$*")
    return None
