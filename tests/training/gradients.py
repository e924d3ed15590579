"""Run ``curate train`` and keep the gradients of its first step: ``gradients.py FILE train DIR ...``, also by torchrun."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

from curate.cli import main
from curate.training.trainer import OfflineTrainer


def keep_gradients(path: str) -> None:
    """Make the trainer write the gradients of its first step, as the optimiser would see them, to ``path``."""
    norm = OfflineTrainer._get_grad_norm

    def keep_and_norm(self: OfflineTrainer, model: Any, grad_norm: Any = None) -> Any:
        if self.state.global_step == 0 and os.environ.get("RANK", "0") == "0":
            torch.save({name: p.grad.clone() for name, p in self.model.named_parameters()}, path)
        return norm(self, model, grad_norm)

    OfflineTrainer._get_grad_norm = keep_and_norm  # type: ignore[method-assign]


if __name__ == "__main__":
    keep_gradients(sys.argv.pop(1))
    main()
