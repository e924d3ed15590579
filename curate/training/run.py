"""One training run, from a dataset and a checkpoint to a new checkpoint with its manifest."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from curate.contracts import TABLES
from curate.dataset import Dataset, TableRef
from curate.errors import ConfigError
from curate.jobrecord import JobRecord
from curate.models.fingerprint import fingerprint
from curate.models.load import quiet_progress
from curate.models.tokenizer import first_line, load_tokenizer
from curate.training.adversary import Adversary
from curate.training.behaviour import REFUSED, Mode, refuse
from curate.training.collate import Collator
from curate.training.load import load_config, load_policy
from curate.training.manifest import export, manifest
from curate.training.order import Order, micro_batch_rows, n_steps
from curate.training.pairs import Pairs
from curate.training.policy import Policy
from curate.training.progress import Log
from curate.training.reading import Found, Reader, read_rows
from curate.training.reading_pairs import read_pairs
from curate.training.rows import Rows
from curate.training.settings import Settings, training_arguments
from curate.training.start import Start
from curate.training.trainer import OfflineTrainer
from curate.training.workplace import MANIFEST, Workplace

# Tokens of a micro-batch where nothing else is asked for; on a CPU small ones stay in the cache and pad less.
MICRO_TOKENS_CPU = 2_048
MICRO_TOKENS_GPU = 16_384

NO_MEMORY = (
    "the device's memory does not hold the model and a micro-batch: lower --micro-batch-size, or use --dtype bfloat16, "
    "--lora-rank 16 or --set activation_checkpointing=true"
)

DIVERGED = "lower --learning-rate, give --warmup, or skip steps with --grad-skip"

Say = Callable[[object], None]


@dataclass(frozen=True)
class Run:
    """What to train on what: the parts, the checkpoint, where to, how; ``record`` tells one run from another.

    ``lessons`` is the variant of advantages, or of pairs where the objective is one of pairs.
    """

    data: Dataset
    samples: TableRef
    lessons: TableRef
    model: Path
    out: Path
    settings: Settings
    record: JobRecord
    mixed_groups: int = 0


def train(run: Run, say: Say, *, overwrite: bool = False) -> None:
    """Train and write ``run.out``; resume where a run of the same arguments was cut off, and do nothing if it is there.

    Under torchrun every process calls this. Raises ConfigError for what cannot be trained, before OUT's folder is made
    where that can be known, and where memory does not suffice.
    """
    say = say if _rank() == 0 else _silent
    place = Workplace(run.out)
    place.refuse_place(
        [run.data.private, *(run.data.root / table for table in TABLES)],
        [run.data.root, run.model, *filter(None, [run.settings.ref_model])],
    )
    if not overwrite:
        place.refuse_other(run.record)
        if place.finished():
            say(f"{run.out}: nothing to do, it was trained with these very arguments")
            return
    quiet_progress()
    rows, pairs, found = _read(run)
    mode = _mode(run, found)
    lengths, n_trained = _items(rows, pairs)
    order = _order(lengths, run.settings)
    steps = n_steps(order, n_trained, run.settings.epochs, run.settings.max_tokens)
    say(_sentence(run, int(n_trained.sum()), found, order, steps))
    place.out.parent.mkdir(parents=True, exist_ok=True)
    arguments = training_arguments(run.settings, place.folder, steps, order.micro_batch_size, order.n_micro)
    with place.locked() if _rank() == 0 else contextlib.nullcontext():
        if _rank() == 0:
            place.open(run.record, overwrite=overwrite)
        try:
            _wait()
            _train(run, place, (rows, pairs), found, order, arguments, mode, say)
        except ConfigError:
            if _rank() == 0 and place.checkpoint() is None:
                place.discard()
            raise
        except RuntimeError as error:  # the CPU's allocator has no error class of its own
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise ConfigError(NO_MEMORY) from error
            raise
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def _train(
    run: Run,
    place: Workplace,
    items: tuple[Rows, Pairs | None],
    found: Found,
    order: Order,
    arguments: Any,
    mode: Mode | None,
    say: Say,
) -> None:
    started = time.time()
    collator = Collator(items[0], is_packed=run.settings.packing)
    before = Start(run, place, collator, mode, arguments.device)
    before.score_reference()
    policy = load_policy(run.model, run.settings)
    trainer = _trainer(run, policy, arguments, collator, items[1], order, place)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise ConfigError("a sharded model cannot be trained: start with torchrun, or accelerate launch --multi_gpu")
    before.measure(policy, say)
    trainer.start_drift = before.figures.get("drift") or 0.0
    checkpoint = place.checkpoint()
    if checkpoint:
        say(f"going on from {checkpoint.name} of a run that was cut off")
    if _rank() == 0:
        trainer.step_log = Log(place.folder, from_step=int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if not all(bool(parameter.isfinite().all()) for parameter in policy.parameters()):
        raise ConfigError(f"the weights are no longer finite numbers, and {run.out} was not written: {DIVERGED}")
    end = before.measure_again(policy)
    say(_ended(run, trainer, end))
    if _rank() == 0:
        result = export(policy, run.model, place)
        if trainer.adversary:
            trainer.adversary.save(result)
        facts = manifest(run, trainer, order, found, mode, before.figures, end, time.time() - started, result)
        (result / MANIFEST).write_text(json.dumps(facts, indent=2))
        place.finish(result)
    _wait()


def _trainer(
    run: Run, policy: Policy, arguments: Any, collator: Collator, pairs: Pairs | None, order: Order, place: Workplace
) -> OfflineTrainer:
    """Return the trainer with its optimiser; raises ConfigError where these refuse an argument."""
    try:
        adversary = _adversary(run.settings, policy, collator.rows)
        trainer = OfflineTrainer(policy, arguments, run.settings, collator, order, place.folder, pairs, adversary)
        trainer.create_optimizer_and_scheduler(arguments.max_steps)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(f"transformers refuses the training arguments: {first_line(error)}") from error
    return trainer


def _adversary(settings: Settings, policy: Policy, rows: Rows) -> Adversary | None:
    if settings.dro_tau is None:
        return None
    rate = settings.learning_rate if settings.dro_learning_rate is None else settings.dro_learning_rate
    vocabulary = policy.model.get_input_embeddings().weight.shape[0]
    return Adversary(rows, vocabulary, settings.objective, settings.dro_tau, rate)


def _mode(run: Run, found: Found) -> Mode | None:
    """Return where old log-probs come from, or null where the run has and needs none; refuses what cannot be used."""
    settings, problems = run.settings, found.problems.copy()
    if settings.from_scratch:
        return None
    if not run.settings.allow_mixed_policy:
        problems["mixed"] = run.mixed_groups
    is_needed = settings.objective.needs_old or settings.behaviour != "bypass"
    if is_needed:
        refuse(problems, settings.behaviour, found.rows_in - found.dropped.total())
    return settings.behaviour if is_needed or not any(problems[name] for name in REFUSED["bypass"]) else None


def _reader(run: Run) -> Reader:
    config, settings = load_config(run.model), run.settings
    return Reader(
        checkpoint=run.model,
        tokenizer=cache(partial(load_tokenizer, run.model)),
        fingerprint=fingerprint(run.model),
        max_length=getattr(config, "max_position_embeddings", None),
        vocabulary=config.vocab_size,
        mask_truncated=settings.mask_truncated,
        is_supervised=settings.objective.name == "sft",
    )


def _read(run: Run) -> tuple[Rows, Pairs | None, Found]:
    """Return the rows and, for an objective of pairs, the pairs of them."""
    objective = run.settings.objective
    if objective.is_pairwise:
        return read_pairs(run.data, run.samples, run.lessons, _reader(run), objective)
    rows, found = read_rows(run.data, run.samples, run.lessons, _reader(run))
    return rows, None, found


def _items(rows: Rows, pairs: Pairs | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens, and the trained tokens, of each row, or of both sides of each pair."""
    if pairs is None:
        return rows.total_lengths, rows.n_trained
    return pairs.both(rows.total_lengths), pairs.n_trained(rows)


def _order(lengths: NDArray[np.int64], settings: Settings) -> Order:
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    longest = int(lengths.max())
    n_tokens = MICRO_TOKENS_GPU if torch.cuda.is_available() else MICRO_TOKENS_CPU
    micro = micro_batch_rows(settings.batch_size, settings.micro_batch_size, world_size, longest, n_tokens)
    return Order(lengths, settings.batch_size, micro, world_size, settings.seed)


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _wait() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def _silent(_: object) -> None:
    pass


def _sentence(run: Run, n_trained: int, found: Found, order: Order, steps: int) -> str:
    what, n_items = ("pairs", found.pairs_in) if run.settings.objective.is_pairwise else ("rows", found.rows_in)
    left_out = "".join(
        f", {n:,} left out ({name})" for name, n in (found.pairs_left_out or found.left_out).most_common()
    )
    dropped = "" if what == "pairs" else f", {found.dropped.total():,} dropped by the recipe"
    text_only = f"; {found.n_text_only:,} kept rows are text only" if found.n_text_only else ""
    heats = f"; {found.n_no_temperature:,} kept rows have no temperature, taken as 1" if found.n_no_temperature else ""
    return (
        f"{run.lessons}: {len(order.lengths):,} of {n_items:,} {what} train{dropped}"
        f"{left_out}; {n_trained:,} trained tokens a pass, {steps:,} steps of {order.batch_size} {what}"
        f"{text_only}{heats}"
    )


def _ended(run: Run, trainer: OfflineTrainer, end: dict[str, Any]) -> str:
    progress = trainer.progress
    not_finite = f" ({progress.not_finite:,} without a finite gradient)" if progress.not_finite else ""
    skipped = f", {progress.skipped:,} of them skipped{not_finite}" if progress.skipped else ""
    drift = f", drift {end['drift']:.5f} nats a token" if end.get("drift") is not None else ""
    stopped = f"; stopped early: {trainer.stopped}" if trainer.stopped else ""
    return (
        f"{run.out}: {trainer.state.global_step:,} steps{skipped}, {progress.tokens:,} trained tokens{drift}{stopped}"
    )
