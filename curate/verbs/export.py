"""``curate export``: samples, prompts and advantages -> one file that a trainer reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curate.verbs.options import DatasetDir, RecipeVariant, ScorerVariant

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef


def export(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Parquet file to write.", show_default=False)],
    format_: Annotated[
        Literal["train", "kto"],
        typer.Option(
            "--format",
            help="train: every kept row, self-contained. kto: prompt, completion and label (the sign of the advantage) for "
            "TRL's KTOTrainer; what is lost is in FILE.manifest.json.",
        ),
    ] = "train",
    recipe: RecipeVariant = None,
    scorer: ScorerVariant = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
) -> None:
    """Write what a trainer reads to one file: the kept rows with all that the loss needs, or labels for KTO.

    --scorer names the likelihoods that become ref_logprobs.
    """
    from curate.console import say
    from curate.dataset import Dataset
    from curate.exporting.kto import write_kto
    from curate.exporting.train import write_train
    from curate.verbs.checks import export as check_arguments

    check_arguments(format_, scorer)
    data = Dataset(dataset)
    refs = [data.choose("samples"), data.choose("advantages", recipe)]
    if scorer is not None:
        refs.append(data.choose("likelihoods", scorer))
    _refuse_unfinished(data, refs)
    if format_ == "kto":
        say(write_kto(data, refs[0], refs[1], out, overwrite=overwrite))
    else:
        say(write_train(data, refs, out, overwrite=overwrite))


def _refuse_unfinished(data: Dataset, refs: list[TableRef]) -> None:
    """Raise ConfigError where a table that is exported is stale or lacks parts."""
    from curate.errors import ConfigError

    for state in data.status(refs):
        unfinished = state["pending"] + state["waiting"]
        if state["stale"]:
            raise ConfigError(
                f"{data.root}/{state['table']} is stale ({', '.join(state['changed'])} changed since): "
                f"run `{state['command']} --overwrite`, then export again"
            )
        if unfinished:
            raise ConfigError(f"{data.root}/{state['table']} lacks {unfinished} part(s): run `{state['command']}`")
