"""What the files of prompts held, for the person who brings them."""

from __future__ import annotations

from curate.importing.prompt_files import StoredPrompts
from curate.importing.prompt_template import fields
from curate.importing.record import listed


def prompt_sentences(stored: StoredPrompts, n: int | None, seed: int) -> list[str]:
    """Return what a user must know of stored prompts before he samples from them, one sentence a line."""
    counts = stored.counts
    chosen = f"; {n:,} of them chosen by seed {seed}" if n is not None else ""
    chat = f" ({counts.n_chat:,} chat)" if counts.n_chat else ""
    lines = [
        "columns: " + ", ".join(f"{field} = {_shown(column)}" for field, column in stored.columns.items()),
        f"{counts.n_prompts:,} prompts{chat} of {len(stored.files)} file(s), {listed(stored.files, 5)}{chosen}",
        _answers(stored),
    ]
    if counts.n_duplicates:
        lines.append(f"{counts.n_duplicates:,} rows repeat a prompt: each prompt is kept once, as it first came")
    if stored.n_conflicting:
        lines.append(
            f"{stored.n_conflicting:,} prompts came again with another answer, reference or domain: the first was kept"
        )
    return lines + [f"rejected {each.file}:{each.line}: {each.reason}" for each in stored.first_rejects]


def _shown(column: str) -> str:
    named = fields(column)
    return "a text with " + " and ".join(named) if named else column


def _answers(stored: StoredPrompts) -> str:
    counts, columns = stored.counts, stored.columns
    n_references = counts.n_answers if stored.are_solutions and not counts.n_references else counts.n_references
    line = f"{counts.n_answers:,} with an answer, {n_references:,} with a reference solution"
    if stored.are_solutions:
        is_other = columns.get("reference") not in (None, columns["answer"])
        reference = "" if is_other else ", and the reference is the whole text"
        return f"{line}: every answer is a solution that ends with `#### X` or `A: X`, so the answer is X{reference}"
    if counts.n_stated:
        return (
            f"{line}: {counts.n_stated:,} answers are solutions that end with `#### X` or `A: X`, the others are not, so "
            "all are kept as they are"
        )
    return line
