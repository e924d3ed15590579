"""The settings of a training run, and the transformers arguments they become."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from curate.errors import ConfigError, did_you_mean
from curate.training.behaviour import Mode
from curate.training.objective import Objective

Dtype = Literal["float32", "bfloat16"]

# Arguments of transformers that a setting of ours decides; given as --set they would fight it.
OWNED = {
    "output_dir": "--out",
    "num_train_epochs": "--epochs",
    "max_steps": "--epochs or --max-tokens",
    "per_device_train_batch_size": "--micro-batch-size",
    "gradient_accumulation_steps": "--batch-size and --micro-batch-size",
    "auto_find_batch_size": "--micro-batch-size",
    "learning_rate": "--learning-rate",
    "warmup_steps": "--warmup",
    "max_grad_norm": "--max-grad-norm",
    "seed": "--seed",
    "data_seed": "--seed",
    "train_sampling_strategy": "--seed",
    "bf16": "--dtype",
    "fp16": "--dtype",
    "report_to": "--report-to",
    "save_strategy": "--save-every",
    "save_steps": "--save-every",
    "save_total_limit": "--save-every",
    "save_only_model": "--save-every",
    "remove_unused_columns": "the trainer",
    "accelerator_config": "the trainer",
    "disable_tqdm": "the terminal",
    "resume_from_checkpoint": "the trainer: run the same command again",
    "push_to_hub": "the trainer, which writes --out alone",
    "load_best_model_at_end": "the trainer, which does not evaluate",
    "eval_strategy": "the trainer, which does not evaluate",
    "eval_on_start": "the trainer, which does not evaluate",
    "ignore_data_skip": "the trainer: a resumed run would see other rows",
    "use_liger_kernel": "the trainer, which computes log-probs itself",
    "neftune_noise_alpha": "the trainer: noise would make the log-probs another policy's",
    "label_smoothing_factor": "--objective",
    "dataloader_num_workers": "the trainer",
}


@dataclass(frozen=True)
class Settings:
    """What a run is told, beside its data, its model and where it writes; ``curate train --help`` says what each means."""

    objective: Objective = field(default_factory=Objective)
    behaviour: Mode = "bypass"
    epochs: int | None = None
    max_tokens: int | None = None
    learning_rate: float = 1e-6
    batch_size: int = 64
    micro_batch_size: int | None = None
    warmup: float = 0.0
    max_grad_norm: float = 1.0
    grad_skip: float | None = None
    max_drift: float | None = 0.05
    dro_tau: float | None = None
    dro_learning_rate: float | None = None
    mask_truncated: bool = False
    seed: int = 0
    dtype: Dtype = "float32"
    lora_rank: int | None = None
    ref_model: Path | None = None
    from_scratch: bool = False
    packing: bool = False
    save_every: int = 200
    allow_mixed_policy: bool = False
    report_to: str = "none"
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.from_scratch and self.lora_rank is not None:
            raise ConfigError(
                "--from-scratch with --lora-rank would train an adapter of random weights: drop one of them"
            )
        is_compared = self.objective.needs_old or self.objective.is_pairwise
        if self.from_scratch and (is_compared or self.behaviour != "bypass"):
            raise ConfigError(
                "--from-scratch trains random weights, and a ratio of their probabilities to stored ones says nothing: use "
                "--objective sft, without --behaviour"
            )
        if self.ref_model is not None and not self.objective.needs_reference:
            raise ConfigError(
                "--ref-model is read only where --kl-coef is above 0, and by --objective dpo and prdp: leave it out, or give "
                "one of these"
            )
        if self.objective.is_pairwise and self.behaviour == "decoupled":
            raise ConfigError(
                f"--objective {self.objective.name} has no token weights for --behaviour decoupled: use bypass or recompute"
            )
        self._check_adversary()
        if self.objective.importance == "masked" and self.behaviour != "decoupled":
            raise ConfigError("--importance is read by --behaviour decoupled only: leave it out")
        for name in ("learning_rate", "warmup", "max_grad_norm"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name} is {value}: it must be a finite number, 0 or above")
        refuse_extra(self.extra)

    def _check_adversary(self) -> None:
        """Refuse an adversary of what is no risk, and settings of one that is not there."""
        if self.dro_tau is None:
            if self.dro_learning_rate is not None:
                raise ConfigError("--dro-learning-rate is the adversary's: give --dro-tau too, or leave it out")
            return
        if not 0 < self.dro_tau < math.inf:
            raise ConfigError(f"dro_tau is {self.dro_tau}: it must be above 0, in the unit of the loss")
        if self.dro_learning_rate is not None and not 0 <= self.dro_learning_rate < math.inf:
            raise ConfigError(f"dro_learning_rate is {self.dro_learning_rate}: it must be a finite number, 0 or above")
        if self.objective.name != "sft" and not self.objective.is_pairwise:
            raise ConfigError(
                f"--dro-tau weighs items by their loss, and that of objective {self.objective.name} is no risk: its value only "
                "has a useful gradient. Use it with --objective sft, dpo, rebel or prdp; for policy optimisation weigh prompts "
                "by pass rate (curate.reweighting.robust)"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return every setting as JSON values; paths become text."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


def refuse_extra(extra: dict[str, Any]) -> None:
    """Raise ConfigError for a name that is no transformers argument, and for one that a setting of ours decides."""
    if not extra:
        return
    from transformers import TrainingArguments

    known = {each.name: each.default for each in fields(TrainingArguments) if each.init}
    for name, value in extra.items():
        if name in OWNED:
            raise ConfigError(f"--set {name}: that is decided by {OWNED[name]}")
        if name not in known:
            hint = did_you_mean(name, sorted(known - OWNED.keys()))
            raise ConfigError(f"--set {name}: transformers has no such training argument{hint}")
        if type(known[name]) in (int, float) and not isinstance(value, int | float):
            raise ConfigError(f"--set {name}: {value!r} is no number")


def training_arguments(settings: Settings, work: Path, n_steps: int, micro_batch_size: int, n_micro: int) -> Any:
    """Return transformers' TrainingArguments; raises ConfigError with its words where it refuses a value."""
    import torch
    from transformers import TrainingArguments

    names = _integrations(settings.report_to)
    values: dict[str, Any] = {
        "lr_scheduler_type": "constant_with_warmup",
        "logging_strategy": "steps" if names else "no",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a copy from the device for every micro-batch
        "dataloader_pin_memory": False,
        "ddp_find_unused_parameters": False,
        "average_tokens_across_devices": False,  # the loss is scaled by the world size already
        "use_cpu": not torch.accelerator.is_available(),  # without it accelerate sees no processes of torchrun on a CPU
    }
    values |= settings.extra
    values |= {
        "output_dir": str(work / "unfinished"),
        "per_device_train_batch_size": micro_batch_size,
        "gradient_accumulation_steps": n_micro,
        "max_steps": n_steps,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup,
        "max_grad_norm": settings.max_grad_norm,
        "seed": settings.seed,
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "report_to": names or "none",
        "remove_unused_columns": False,
        "disable_tqdm": not sys.stderr.isatty(),
    }
    try:
        arguments = TrainingArguments(**values)
        arguments._n_gpu = min(
            1, arguments.n_gpu
        )  # several GPUs in one process are DataParallel's; torchrun is the way
    except (ValueError, TypeError, ImportError) as error:
        first = str(error).strip().split("\n")[0]
        raise ConfigError(f"transformers refuses the training arguments: {first}") from error
    if arguments.world_size != int(os.environ.get("WORLD_SIZE", "1")):
        raise ConfigError(
            "the processes of torchrun do not find each other: start one for each GPU, or --set use_cpu=true"
        )
    return arguments


def _integrations(report_to: str) -> list[str]:
    """Return the names in ``report_to``; raises ConfigError for one that is unknown to transformers or not installed."""
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    names = [name for name in report_to.split(",") if name != "none"]
    installed = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for name in names:
        if name not in installed:
            there = ", ".join(sorted(installed)) or "none"
            raise ConfigError(f"--report-to {name}: transformers knows no such integration here (installed: {there})")
    return names
