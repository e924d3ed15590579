"""Options that several verbs share, so that one word means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatasetDir = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.", show_default=False)]
As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Name of the variant that is written.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the variant; the old one goes to .curate/replaced.")
]
MaxFailedShare = Annotated[
    float, typer.Option(min=0, max=1, help="Share of failed rows above which the command ends with exit code 1.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
VerifierVariant = Annotated[str | None, typer.Option("--verifier", metavar="NAME", help="Variant of verdicts to read.")]
VerifierSettings = Annotated[
    list[str] | None,
    typer.Option("--verifier-set", metavar="KEY=VALUE", help="A setting of the verifier; may be repeated."),
]
ScorerVariant = Annotated[str | None, typer.Option("--scorer", metavar="NAME", help="Variant of likelihoods to read.")]
JudgeVariant = Annotated[str | None, typer.Option("--judge", metavar="NAME", help="Variant of feedback to read.")]
ByVariant = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Variant of branches to read.")]
PairsVariant = Annotated[str | None, typer.Option("--pairs", metavar="NAME", help="Variant of pairs to read.")]
RecipeVariant = Annotated[str | None, typer.Option("--recipe", metavar="NAME", help="Variant of advantages to read.")]
