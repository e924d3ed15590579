"""Load a causal language model from a local folder, with an error a person can act on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from curate.errors import ConfigError
from curate.models.tokenizer import first_line

DTYPES = ("float32", "bfloat16", "float16")


def choose_device(device: str) -> str:
    """Return the device that ``device`` names; "auto" is a GPU if there is one. Raises ConfigError for an absent GPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {device!r}, but torch sees no GPU: use auto or cpu")
    return device


def load_model(path: Path, dtype: str = "float32") -> Any:
    """Load the checkpoint in ``path``, its weights as ``dtype``, on the CPU.

    Raises ConfigError where the folder holds no complete checkpoint of a causal language model.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}: use one of {', '.join(DTYPES)}")
    refuse_no_config(path)
    from safetensors import SafetensorError

    quiet_progress()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ConfigError(f"{path} does not load as a causal language model: {first_line(error)}") from error
    model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ConfigError(f"{path} lacks {len(missing)} of the model's weights, first {missing[0]}: copy it again")
    return model


def refuse_no_config(path: Path) -> None:
    """Raise ConfigError where ``path`` cannot be a checkpoint."""
    if not (path / "config.json").is_file():
        raise ConfigError(f"{path} is not a checkpoint: it has no config.json; give the folder save_pretrained wrote")


def quiet_progress() -> None:
    """Turn transformers' own progress bars off where nobody watches."""
    if not sys.stderr.isatty():
        disable_progress_bar()  # type: ignore[no-untyped-call]
