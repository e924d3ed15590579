"""Turn stored groups of LLM samples into the dataset an offline GRPO trainer should learn from.

    import curate
    curate.Dataset("runs/demo").scan("samples")
    curate.reweight(frame, curate.recipes.unlikely_grpo(beta_rank=0.25))

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.dataset import Dataset
    from curate.errors import BoundaryError, ConfigError, ContractError, CurateError
    from curate.reweighting import recipes, reweight

__all__ = [
    "BoundaryError",
    "ConfigError",
    "ContractError",
    "CurateError",
    "Dataset",
    "recipes",
    "reweight",
]

_HOME = {
    "BoundaryError": "curate.errors",
    "ConfigError": "curate.errors",
    "ContractError": "curate.errors",
    "CurateError": "curate.errors",
    "Dataset": "curate.dataset",
    "recipes": "curate.reweighting",
    "reweight": "curate.reweighting",
}


def __getattr__(name: str) -> Any:
    if name == "torch":
        return importlib.import_module("curate.torch")
    if name not in _HOME:
        raise AttributeError(f"module 'curate' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
