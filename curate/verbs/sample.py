"""``curate sample``: prompts -> samples, from a checkpoint in this process or from the known solutions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curate.verbs.options import DatasetDir, MaxFailedShare, Overwrite

if TYPE_CHECKING:
    from curate.dataset import Dataset

MAX_NEW_TOKENS = 512


def sample(
    dataset: DatasetDir,
    local: Annotated[Path | None, typer.Option(metavar="PATH", help="Checkpoint to sample from, in process.")] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Take the known solutions as samples; how to sample then says nothing.")
    ] = False,
    group_size: Annotated[int, typer.Option(min=1, help="Completions a prompt.")] = 32,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Share of the probability that is sampled from.")] = 1.0,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest completion; 512, or half the model's positions, if not set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the job; each sample's own follows from it.")] = 0,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Type of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch_rows: Annotated[int, typer.Option(min=1, help="Completions that are sampled at one time, at most.")] = 512,
    max_failed_share: MaxFailedShare = 0.01,
    overwrite: Overwrite = False,
) -> None:
    """Sample a group of completions of every prompt: prompts -> samples."""
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET
    from curate.sampling.completion import Setting
    from curate.stage import run_stage
    from curate.verbs.checks import sample as check_arguments
    from curate.verbs.lookup import find_checkpoint
    from curate.verbs.sample_local import LocalJob
    from curate.verbs.sample_reference import reference_stage

    check_arguments(local=local, reference=reference, temperature=temperature, top_p=top_p)
    data = Dataset(dataset)
    _refuse(data)
    if local is None:
        say(run_stage(data, reference_stage(data), overwrite=overwrite, max_failed_share=max_failed_share))
        return
    path = find_checkpoint(local)
    setting = Setting(float(temperature), float(top_p), max_new_tokens or default_max_new_tokens(path))
    again = command(
        "sample",
        DATASET,
        local=local,
        group_size=group_size,
        temperature=setting.temperature,
        top_p=setting.top_p,
        max_new_tokens=setting.max_new_tokens,
        seed=seed,
        dtype=dtype,
        batch_rows=batch_rows,
    )
    job = LocalJob(data, path, setting, group_size, seed, dtype, device, batch_rows)
    job.fill_prompt_ids(overwrite)
    summary = run_stage(data, job.stage(again), overwrite=overwrite, max_failed_share=max_failed_share)
    say(summary)
    if job.drawn.n_groups:
        say(job.drawn)


def default_max_new_tokens(path: Path) -> int:
    """Return 512, or half the positions of the model in ``path`` where it has fewer than 1,024.

    A folder without a configuration that can be read gives 512: loading the model says what is wrong with it.
    """
    import json

    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        positions = (config.get("text_config") or config).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return MAX_NEW_TOKENS
    return min(MAX_NEW_TOKENS, max(1, positions // 2)) if isinstance(positions, int) else MAX_NEW_TOKENS


def _refuse(data: Dataset) -> None:
    """Raise ConfigError for a dataset without prompts, and for one whose samples were imported."""
    from curate.dataset import TableRef
    from curate.errors import ConfigError
    from curate.jobrecord import read_record

    if not data.parts(data.choose("prompts")):
        raise ConfigError(f"{data.root} has no prompts: run `{data.maker('prompts')}`")
    record = read_record(data, TableRef("samples"))
    if record and record.verb != "sample":
        raise ConfigError(
            f"the samples of {data.root} came with `{record.command_for(data)}`: sample into a folder of its own, "
            "with prompts from `curate prompts PATH --to DIR`"
        )
