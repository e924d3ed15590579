"""Which columns of a file of prompts hold what: those the user names, else those that datasets usually call so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curate.errors import ConfigError, did_you_mean
from curate.importing import rows
from curate.importing.files import Source
from curate.importing.prompt_template import columns_of
from curate.importing.record import listed

USUAL: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "problem", "messages"),
    "answer": ("answer", "final_answer", "ground_truth", "reward_model.ground_truth"),
    "reference": ("reference", "solution"),
    "domain": ("domain", "subject", "data_source"),
    # no other name: an `id` often counts each file anew
    "prompt_id": ("prompt_id",),
}


def choose_columns(sources: Sequence[Source], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the column of each field that has one: the given one, or the first usual name that the first file has.

    ``given`` is null where the user says nothing and empty where he wants none. One column may feed several fields.
    Raises ConfigError where a named column or any for the prompt is missing; a file that lacks the prompt's column is
    named too.
    """
    names = {source.name: rows.peek(source.path) for source in sources}
    first = next((source for source in sources if names[source.name]), None)
    if first is None:
        raise ConfigError(f"{', '.join(str(s.path) for s in sources[:3])}: no rows that could be read")
    chosen = {field: _column(field, given.get(field), names[first.name], first) for field in USUAL}
    prompt = chosen["prompt"]
    if prompt is None:
        raise ConfigError(
            f"{first.path} has no column {', '.join(USUAL['prompt'])}: name it with --prompt-column, one of "
            f"{listed(names[first.name])}"
        )
    for source in sources:
        for column in columns_of(prompt):
            if names[source.name] and column not in names[source.name]:
                raise ConfigError(
                    f"{source.path} has no column {column}, which {first.path} has: bring files of other columns one by "
                    "one, each into a dataset of its own"
                )
    return {field: column for field, column in chosen.items() if column}


def _column(field: str, given: str | None, names: Sequence[str], source: Source) -> str | None:
    if given is None:
        return next((name for name in USUAL[field] if name in names), None)
    for column in columns_of(given) if field == "prompt" else [given]:
        if column and column not in names:
            raise ConfigError(
                f"--{field.removeprefix('prompt_')}-column {column}: {source.path} has no such column{did_you_mean(column, names)}, only {listed(names)}"
            )
    return given or None
