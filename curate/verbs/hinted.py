"""Prompts that show the answer: how they are written and known again, and whether a completion gives the hint away."""

from __future__ import annotations

import re
from collections.abc import Iterator

SHOWN = " (answer shown)"  # ends the prompt_id of a hinted prompt, and the policy's name of what was sampled from one
TEMPLATE = "The correct answer to the following problem is {answer}. Explain step by step how to reach it.\n\n{prompt}"
FIELDS = re.compile(r"\{(prompt|answer|reference)\}")
WORD = re.compile(r"\w+")
RUN = 5  # so many words of the hint in a row are a quotation
LEANING = (  # ours: what a completion says that was told the answer
    "the given answer",
    "the provided answer",
    "the shown answer",
    "the known answer",
    "answer is given",
    "answer was given",
    "answer provided",
    "answer above",
)


def hinted_id(prompt_id: str) -> str:
    """Return the prompt_id of the hinted form of a prompt."""
    return prompt_id + SHOWN


def is_hinted(prompt_id: str) -> bool:
    """Say whether a prompt is the hinted form of another."""
    return prompt_id.endswith(SHOWN)


def check_template(template: str) -> None:
    """Raise ConfigError for a template without the prompt, or that shows nothing."""
    from curate.errors import ConfigError

    fields = set(FIELDS.findall(template))
    if "prompt" not in fields or len(fields) < 2:
        raise ConfigError(
            f"template {template!r} must hold {{prompt}}, and {{answer}} or {{reference}}: the hint that is shown"
        )


def hinted_text(template: str, prompt: str, answer: str | None, reference: str | None) -> str | None:
    """Return the hinted prompt; null where the template shows what is unknown."""
    values = {"prompt": prompt, "answer": answer, "reference": reference}
    if any(values[field] is None for field in FIELDS.findall(template)):
        return None
    return FIELDS.sub(lambda match: values[match[1]] or "", template)


def gives_away(completion: str, template: str) -> bool:
    """Say whether a completion quotes the template or speaks of an answer it was told.

    Five words in a row of the template's own text are a quotation, or all of a piece that has fewer; case and punctuation
    aside. Linear in the completion. Reasoning that leans on the answer without saying so is not found.
    """
    words = WORD.findall(completion.casefold())
    return any(_has_run(words, run) for run in _runs(template))


def _runs(template: str) -> Iterator[tuple[str, ...]]:
    for piece in (*FIELDS.sub("\0", template).split("\0"), *LEANING):
        words = WORD.findall(piece.casefold())
        if piece in LEANING or 0 < len(words) < RUN:
            yield tuple(words)
        else:
            yield from (tuple(words[place : place + RUN]) for place in range(len(words) - RUN + 1))


def _has_run(words: list[str], run: tuple[str, ...]) -> bool:
    return any(tuple(words[place : place + len(run)]) == run for place in range(len(words) - len(run) + 1))
