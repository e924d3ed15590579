"""The module that is trained: a causal language model whose forward pass gives log-probs of completion tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from curate.models.head import Head
from curate.training.collate import Batch, token_batch
from curate.training.logprobs import completion_logprobs, hidden_states


class Policy(nn.Module):
    """Wrap a model so that data parallelism sees one forward pass, through which all gradients go.

    ``model`` is a causal language model or a PEFT model around one; ``path`` names its checkpoint in messages.
    ``is_mixed`` computes in bfloat16 where that is safe, whatever the weights' type. Dropout stays off in training:
    log-probs have to be those of the policy that sampled.
    """

    accepts_loss_kwargs = False

    def __init__(self, model: Any, path: object, *, is_mixed: bool = False) -> None:
        super().__init__()
        self.is_mixed = is_mixed
        self.model = model
        self._inner = (model.get_base_model() if hasattr(model, "get_base_model") else model,)  # no second submodule
        self._head = Head(self._inner[0], path)
        self._hidden = hidden_states(self._inner[0])

    def forward(self, batch: Batch, with_entropy: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return log-probs and, if asked for, entropies of the completion tokens, (B, T) each in float32."""
        with torch.autocast(batch["input_ids"].device.type, torch.bfloat16, enabled=self.is_mixed):
            return completion_logprobs(self._hidden, self._head, token_batch(batch), with_entropy=with_entropy)

    def train(self, mode: bool = True) -> Policy:
        """Keep dropout off; only the flag that gradient checkpointing looks at follows ``mode``."""
        super().train(False)
        for module in self.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = mode
        return self

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Compute activations again in the backward pass instead of keeping them."""
        self._inner[0].activation_checkpointing_enable(**options)
