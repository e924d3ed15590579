"""``curate logprob``: samples -> likelihoods, from the sampler's own log-probs or from a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.verbs.options import As, DatasetDir, Overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    import pyarrow as pa

    from curate.dataset import Dataset, TableRef
    from curate.likelihood.model import Scorer
    from curate.stage import Made, Summary

GROUPS_A_BATCH = 16


def logprob(
    dataset: DatasetDir,
    model: Annotated[Path | None, typer.Option(metavar="PATH", help="Folder of a Hugging Face checkpoint.")] = None,
    from_sampler: Annotated[bool, typer.Option("--from-sampler", help="Use the log-probs stored in samples.")] = False,
    as_: As = None,
    overwrite: Overwrite = False,
) -> Summary:
    """Score how likely each completion is, at the temperature it was sampled at: samples -> likelihoods."""
    from curate.console import say
    from curate.dataset import Dataset, TableRef, variant_name
    from curate.errors import ConfigError
    from curate.stage import Stage, run_stage

    if (model is None) == (not from_sampler):
        raise ConfigError("give either --model PATH or --from-sampler")
    data = Dataset(dataset)
    samples = data.choose("samples")
    ref = TableRef("likelihoods", variant_name(as_ or ("sampler" if model is None else default_name(model))))
    suffix = f" --as {as_}" if as_ else ""
    if model is None:
        stage = Stage(
            verb="logprob",
            ref=ref,
            inputs=[samples],
            parameters={"from_sampler": True},
            command=f"curate logprob {dataset} --from-sampler{suffix}",
            make=lambda name, _: _from_sampler(data, samples, name),
        )
    else:
        stage = _model_stage(data, samples, ref, model, f"curate logprob {dataset} --model {model}{suffix}")
    summary = run_stage(data, stage, overwrite=overwrite)
    say(summary)
    return summary


def default_name(model: Path) -> str:
    """Return a variant name made from a checkpoint's folder name."""
    import re

    name = re.sub(r"[^a-z0-9_.-]+", "-", model.resolve().name.lower()).strip("-.")
    return name if name[:1].isalpha() else f"model-{name}"
