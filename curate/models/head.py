"""The language model head: from hidden states to log-probs without ever holding all logits at once."""

from __future__ import annotations

from typing import Any

import torch

from curate.errors import ConfigError


class Head:
    """The last layer of a causal language model, with the scaling and the soft cap that its family applies.

    ``logits(hidden)`` maps hidden states (N, D) to float32 logits (N, V), with gradients where torch records them.
    Raises ConfigError where the model computes its logits in a way this file does not know, so that numbers from it
    would be wrong; ``path`` names the checkpoint in the message.
    """

    def __init__(self, model: Any, path: object) -> None:
        config = model.config.get_text_config()
        self.model = model
        self._softcap: float | None = getattr(config, "final_logit_softcapping", None)
        self._scale: float = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
        self._check(path)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return float32 logits (N, V) of hidden states (N, D)."""
        logits = self.model.get_output_embeddings()(hidden).float() * self._scale
        return torch.tanh(logits / self._softcap) * self._softcap if self._softcap else logits

    def logprobs(self, hidden: torch.Tensor, tokens: torch.Tensor, temperatures: torch.Tensor) -> torch.Tensor:
        """Return log_softmax(logits / temperature)[token], shape (N,), of hidden (N, D), tokens (N,), temperatures (N,)."""
        logits = self.logits(hidden) / temperatures.unsqueeze(-1)
        chosen = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
        return (chosen - logits.logsumexp(-1)).clamp(max=0.0)

    @torch.inference_mode()
    def _check(self, path: object) -> None:
        """Compare the short cut through the head with the model's own logits: families scale or cap them."""
        embeddings = self.model.get_input_embeddings().weight
        inputs = torch.arange(min(4, embeddings.shape[0]), device=embeddings.device).unsqueeze(0)
        own = self.model(input_ids=inputs, use_cache=False).logits.float()
        ours = self.logits(self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state)
        if own.shape != ours.shape or not torch.allclose(own, ours, rtol=2e-2, atol=1e-3 * float(own.abs().max())):
            kind = self.model.config.model_type
            raise ConfigError(f"{path}: models of type {kind!r} compute their logits in a way not known here")
