"""``curate train``: samples and advantages -> a checkpoint, by offline policy optimisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.verbs.options import DatasetDir, PairsVariant, RecipeVariant

if TYPE_CHECKING:
    from curate.dataset import Dataset, TableRef
    from curate.training.settings import Settings

OBJECTIVE = (
    "clip_low",
    "clip_high",
    "dual_clip",
    "cispo_clip",
    "kl_coef",
    "kl",
    "aggregation",
    "max_length",
    "self_normalised",
    "beta",
    "delta",
    "sequence_weights",
    "importance",
    "importance_cap",
    "mask_delta",
    "log_clip",
    "from_first_difference",
)
PAIRWISE = ("dpo", "rebel", "prdp")


def train(
    dataset: DatasetDir,
    model: Annotated[
        Path, typer.Option(metavar="PATH", help="Checkpoint to start from: a folder, or a shipped policy.")
    ],
    out: Annotated[Path, typer.Option(metavar="PATH", help="Folder of the checkpoint to write.")],
    recipe: RecipeVariant = None,
    pairs: PairsVariant = None,
    objective: Annotated[
        Literal["grpo", "gspo", "cispo", "topr", "asymre", "dro", "sft", "dpo", "rebel", "prdp"],
        typer.Option(
            help="Loss; sft is supervised training, which reads no stored log-probs; dpo, rebel and prdp train on pairs."
        ),
    ] = "grpo",
    behaviour: Annotated[
        Literal["bypass", "decoupled", "recompute"],
        typer.Option(
            help="Where the ratio's old log-probs come from. bypass: the stored ones; decoupled: computed once by this"
            " model, corrected by an importance weight; recompute: the same without a correction."
        ),
    ] = "bypass",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the rows; 1 unless --max-tokens is given.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Stop after the step that reaches so many trained tokens.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0, help="Learning rate, constant after the warmup.")] = 1e-6,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Rows, or pairs, of one optimiser step, all processes together.")
    ] = 64,
    micro_batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rows, or pairs, of one forward pass; by default as many as fit 2,048 tokens, on a GPU 16,384."
        ),
    ] = None,
    warmup: Annotated[float, typer.Option(min=0, help="Steps of linear warmup; below 1 the share of all steps.")] = 0.0,
    max_grad_norm: Annotated[float, typer.Option(min=0, help="Gradients are cut to this norm; 0 does not cut.")] = 1.0,
    grad_skip: Annotated[
        float | None, typer.Option(min=0, help="Skip a step whose gradient norm is over this.")
    ] = None,
    max_drift: Annotated[
        float,
        typer.Option(
            min=0,
            help="Stop when the drift (k3 of new against old, nats a token) of the last 4,096 tokens is this far over that"
            " at the start; 0 turns it off.",
        ),
    ] = 0.05,
    clip_low: Annotated[float | None, typer.Option(help="The ratio is cut below 1 - this; .2, gspo 3e-4.")] = None,
    clip_high: Annotated[float | None, typer.Option(help="The ratio is cut above 1 + this; .2, gspo 4e-4.")] = None,
    dual_clip: Annotated[
        float | None, typer.Option(help="Bound of a token's loss in |A| where A < 0; the paper has 3.")
    ] = None,
    cispo_clip: Annotated[Literal["upper", "both"], typer.Option(help="Ends at which cispo cuts.")] = "upper",
    kl_coef: Annotated[float, typer.Option(min=0, help="Strength of the KL to the reference.")] = 0.0,
    kl: Annotated[Literal["k1", "k2", "k3"], typer.Option(help="Estimator of that KL.")] = "k3",
    ref_model: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Reference of the KL, of dpo and of prdp; by default the model as it starts."
        ),
    ] = None,
    aggregation: Annotated[
        Literal["token_mean", "sequence_mean", "constant"],
        typer.Option(help="How token losses become one: DAPO's, GRPO's, or Dr. GRPO's, which needs --max-length."),
    ] = "token_mean",
    max_length: Annotated[int | None, typer.Option(min=1, help="L_max of aggregation constant, in tokens.")] = None,
    self_normalised: Annotated[
        bool, typer.Option("--self-normalised", help="Divide by the sum of the sample weights, not their number.")
    ] = False,
    beta: Annotated[float | None, typer.Option(help="dro's pull towards old, dpo's to the reference.")] = None,
    delta: Annotated[float | None, typer.Option(help="How far asymre's baseline lies below the group's mean.")] = None,
    sequence_weights: Annotated[
        Literal["none", "truncated", "masked"], typer.Option(help="Importance weights of whole sequences, for asymre.")
    ] = "none",
    importance: Annotated[
        Literal["truncated", "masked"], typer.Option(help="What decoupled mode does above --importance-cap.")
    ] = "truncated",
    importance_cap: Annotated[float, typer.Option(help="Cap of an importance weight.")] = 2.0,
    mask_delta: Annotated[
        float | None, typer.Option(help="Leave out rows with A < 0 that are so many nats a token less likely by now.")
    ] = None,
    log_clip: Annotated[
        float | None, typer.Option(help="prdp's clip: nats that a token's log ratio may be away from old.")
    ] = None,
    from_first_difference: Annotated[
        bool,
        typer.Option("--from-first-difference", help="Leave out the tokens that both sides of a pair begin with."),
    ] = False,
    dro_tau: Annotated[
        float | None,
        typer.Option(
            help="Train an adversary of RP-DRO that weighs a step's items to make the loss large; the lower, the freer it is."
            " With sft and the losses of pairs."
        ),
    ] = None,
    dro_learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of that adversary; by default --learning-rate.")
    ] = None,
    mask_truncated: Annotated[
        bool, typer.Option("--mask-truncated", help="Leave out rows that hit the length limit.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order of rows, and of weights from scratch.")] = 0,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option(help="What the model computes in.")] = "float32",
    lora_rank: Annotated[
        int | None, typer.Option(min=1, help="Train an adapter of this rank (needs peft), merged into OUT.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights; PATH needs no weights.")
    ] = False,
    packing: Annotated[bool, typer.Option("--packing", help="Put several short rows on one line.")] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints that a re-run goes on from.")] = 200,
    allow_mixed_policy: Annotated[
        bool, typer.Option("--allow-mixed-policy", help="Train on groups sampled by several policies.")
    ] = False,
    report_to: Annotated[
        str, typer.Option(metavar="NAMES", help="Integrations of transformers, such as wandb or tensorboard.")
    ] = "none",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another training argument of transformers; may be repeated."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Train a model on the kept rows; the same command goes on where it was cut off. Also under torchrun."""
    given = dict(locals())
    from curate.console import command, say
    from curate.dataset import Dataset
    from curate.jobrecord import DATASET
    from curate.verbs.lookup import find_checkpoint

    data = Dataset(dataset)
    path = find_checkpoint(model)
    made = settings(**given)
    lessons = _choose_pairs(data, pairs) if objective in PAIRWISE else data.choose("advantages", recipe)
    samples, _ = refs = (data.choose("samples"), lessons)
    refuse_unfinished(data, samples, lessons)
    options = {name: value for name, value in given.items() if value != DEFAULTS.get(name)}
    again = command(
        "train", DATASET, **{name: v for name, v in options.items() if name not in ("dataset", "overwrite")}
    )
    from curate.training.run import Run
    from curate.training.run import train as train_run

    record = _record(data, refs, path, out, made, again)
    mixed = _mixed_groups(data, samples, made)
    train_run(Run(data, samples, lessons, path, out, made, record, mixed), say, overwrite=overwrite)


def settings(**given: Any) -> Settings:
    """Return the settings of the verb's arguments; raises ConfigError for what they alone show to be wrong."""
    from curate.job import split_setting
    from curate.training.objective import Objective
    from curate.training.settings import Settings
    from curate.verbs.lookup import find_checkpoint

    refuse_other_table(given["objective"], given["recipe"], given["pairs"])
    reference = given["ref_model"]
    shared = Settings.__dataclass_fields__.keys() & given.keys() - {"objective", "max_drift", "ref_model"}
    return Settings(
        objective=Objective(name=given["objective"], **{name: given[name] for name in OBJECTIVE}),
        max_drift=given["max_drift"] or None,
        ref_model=find_checkpoint(reference) if reference else None,
        extra=dict(split_setting(setting) for setting in given["set_"] or []),
        **{name: given[name] for name in shared},
    )


def refuse_other_table(objective: str, recipe: str | None, pairs: str | None) -> None:
    """Raise ConfigError where a variant is named of a table that the objective does not read."""
    from curate.errors import ConfigError

    if recipe and pairs:
        raise ConfigError("--recipe names advantages and --pairs pairs: a run trains on one of them, so leave one out")
    if pairs and objective not in PAIRWISE:
        raise ConfigError(f"--objective {objective} trains on advantages: leave --pairs out, or give --objective dpo")
    if recipe and objective in PAIRWISE:
        raise ConfigError(f"--objective {objective} trains on pairs: give --pairs instead of --recipe")


def _record(data: Dataset, refs: tuple[TableRef, ...], model: Path, out: Path, made: Settings, again: str) -> Any:
    """Return what tells this run from another to the same folder: the parts, the model's files, every setting."""
    from curate.dataset import TableRef
    from curate.jobrecord import JobRecord, versions
    from curate.states import ContentIds
    from curate.verbs.logprob import checkpoint_files

    ids = ContentIds(data)
    parameters = {
        **made.as_dict(),
        "model": model.resolve().name,
        "files": checkpoint_files(model),
        "parts": {str(ref): ids.of_head(ref) for ref in [*refs, TableRef("prompts")]},
    }
    if made.ref_model is not None:
        parameters["ref_files"] = checkpoint_files(made.ref_model)
    return JobRecord("train", str(out), parameters, [str(ref) for ref in refs], ["prompts"], again, versions())


def _choose_pairs(data: Dataset, pairs: str | None) -> TableRef:
    from curate.errors import ConfigError

    names = data.variants("pairs")
    if pairs is None and len(names) > 1:
        raise ConfigError(f"{data.root} has several pairs ({', '.join(names)}): choose one with --pairs NAME")
    return data.choose("pairs", pairs)


def refuse_unfinished(data: Dataset, samples: TableRef, lessons: TableRef) -> None:
    """Raise ConfigError where the advantages, or pairs, are stale or lack parts of the samples."""
    from curate.errors import ConfigError
    from curate.jobrecord import read_record
    from curate.stage import refuse_stale

    refuse_stale(data, [samples, lessons])
    missing = set(data.parts(samples)) - set(data.parts(lessons))
    if missing:
        record = read_record(data, lessons)
        again = record.command_for(data) if record else data.maker(lessons.table)
        raise ConfigError(f"{data.root}/{lessons} lacks {len(missing)} part(s): run `{again}`, then train again")


def _mixed_groups(data: Dataset, samples: TableRef, made: Settings) -> int:
    from curate.query import mixed_policy_groups

    return 0 if made.allow_mixed_policy or made.behaviour != "bypass" else mixed_policy_groups(data, samples)


def _defaults() -> dict[str, Any]:
    import inspect

    return {name: parameter.default for name, parameter in inspect.signature(train).parameters.items()}


DEFAULTS = _defaults()
