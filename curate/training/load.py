"""The model that is trained: from a checkpoint or from scratch, whole or through an adapter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from curate.errors import ConfigError
from curate.models.load import load_model, refuse_no_config
from curate.models.tokenizer import first_line
from curate.training.policy import Policy
from curate.training.settings import Settings

PEFT_MISSING = "--lora-rank needs peft: pip install 'curate[peft]'"


def load_config(path: Path) -> Any:
    """Return the text part of a checkpoint's configuration; raises ConfigError where there is none that loads."""
    refuse_no_config(path)
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True).get_text_config()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}/config.json does not load: {first_line(error)}") from error


def load_policy(path: Path, settings: Settings) -> Policy:
    """Return the policy that training starts from, on the CPU.

    Weights are float32, and with dtype bfloat16 only computed with in bfloat16, as updates of a small learning rate would
    be lost in bfloat16 weights. Behind an adapter the model's own weights do not change and are bfloat16.
    Raises ConfigError where the checkpoint does not load, or peft is not installed.
    """
    torch.manual_seed(settings.seed)
    is_mixed = settings.dtype == "bfloat16"
    if settings.from_scratch:
        return Policy(_from_scratch(path), path, is_mixed=is_mixed)
    if settings.lora_rank is None:
        return Policy(load_model(path), path, is_mixed=is_mixed)
    return Policy(_with_adapter(load_model(path, settings.dtype), path, settings.lora_rank), path, is_mixed=is_mixed)


def load_reference(path: Path, settings: Settings) -> Policy:
    """Return another checkpoint as the reference, in the dtype of the run."""
    return Policy(load_model(path, settings.dtype), path, is_mixed=settings.dtype == "bfloat16")


def _from_scratch(path: Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(f"{path}/config.json makes no causal language model: {first_line(error)}") from error


def _with_adapter(model: Any, path: Path, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise ConfigError(PEFT_MISSING) from None
    # alpha = 2 * rank, as the papers of LoRA and its users have it most often; every linear layer but the head
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    try:
        with warnings.catch_warnings():  # peft 0.21 asks transformers by names that 5.23 calls deprecated
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(f"{path} takes no adapter: {first_line(error)}") from error
