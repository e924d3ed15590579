"""Log-probs of completion tokens with gradients, from padded or packed batches, without ever holding all logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from curate.models.head import Head

# Logits held in float32 at one time: 64 MiB of them, as the scorer does.
CHUNK_LOGITS = 2**24

Hidden = Callable[[torch.Tensor, torch.Tensor | None, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token ids of B samples, prompt then completion, laid on lines of W tokens, and where each completion lies.

    ``input_ids`` (lines, W): one sample a line, filled up on the right (padded), or several a line (packed).
    ``position_ids`` (lines, W) start at 0 again with every sample and with every token of the filling; null where padded.
    ``attention_mask`` is any that the model takes, mostly null: causal attention never looks to the right, and
    transformers >= 5 keeps packed samples apart by positions that start again, but only without a mask.
    ``rows`` and ``starts`` (B,) are the line and the column of a completion's first token, which is never its sample's
    first, as the state before a token predicts it. ``lengths`` (B,) counts completion tokens and may be 0;
    ``temperatures`` (B,) are each sample's own, above 0.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    position_ids: torch.Tensor | None
    rows: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    temperatures: torch.Tensor


def hidden_states(model: Any) -> Hidden:
    """Return the function from ids, attention mask and positions to last hidden states (lines, W, D) of a causal model.

    ``model`` is the model with the language model head, unwrapped; of a PEFT model ``get_base_model()``, which holds the
    adapter's layers. No cache is kept: with one, transformers would not look for packed samples in the positions.
    """

    def hidden(
        input_ids: torch.Tensor, attention_mask: torch.Tensor | None, position_ids: torch.Tensor | None
    ) -> torch.Tensor:
        outputs = model.base_model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=False
        )
        states: torch.Tensor = outputs.last_hidden_state
        return states

    return hidden


def completion_logprobs(
    hidden: Hidden, head: Head, batch: TokenBatch, *, with_entropy: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return log-probs and entropies of the completion tokens as grids (B, T), T the longest completion, in float32.

        logprob = log_softmax(logits / temperature)[token];  entropy = -sum_v p_v log p_v, in nats, without a gradient

    Either is 0 past a completion's end; entropy is null unless asked for, as it costs two passes over the logits. Only
    the states before completion tokens reach the language model head, ``CHUNK_LOGITS`` logits at a time, and each chunk's
    logits are computed again in the backward pass instead of being kept. Completions without a token give zeros that
    backward can run from.

    The model's mode is the caller's: ``eval()`` for numbers that match stored ones, as dropout would move them. Under
    DistributedDataParallel or FSDP gradients are synchronised only if the forward pass goes through the wrapper: wrap a
    module whose ``forward(batch)`` calls this function, and call the wrapper.
    """
    states = hidden(batch.input_ids, batch.attention_mask, batch.position_ids)
    columns_T = torch.arange(int(batch.lengths.max()), device=states.device)
    inside_BT = columns_T < batch.lengths.unsqueeze(-1)
    places = ((batch.rows * states.shape[1] + batch.starts).unsqueeze(-1) + columns_T)[inside_BT]
    heats = batch.temperatures.float().unsqueeze(-1).expand(inside_BT.shape)[inside_BT]
    tokens = batch.input_ids.flatten()[places]
    logprobs, entropies = _chunked(head, states.flatten(0, 1)[places - 1], tokens, heats, with_entropy)
    # masked_scatter keeps a batch without completion tokens tied to the model
    empty_BT = states.new_zeros(inside_BT.shape, dtype=torch.float32)
    entropy_BT = None if entropies is None else empty_BT.masked_scatter(inside_BT, entropies)
    return empty_BT.masked_scatter(inside_BT, logprobs), entropy_BT


def _chunked(
    head: Head, states: torch.Tensor, tokens: torch.Tensor, heats: torch.Tensor, with_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    size = max(1, CHUNK_LOGITS // head.model.get_output_embeddings().weight.shape[0])
    parts = zip(*(torch.split(values, size) for values in (states, tokens, heats)), strict=True)
    chunks = [checkpoint(_score, head, *part, with_entropy, use_reentrant=False) for part in parts]
    logprobs, entropies = zip(*chunks, strict=True)
    return torch.cat(logprobs), torch.cat(entropies) if with_entropy else None


def _score(
    head: Head, states: torch.Tensor, tokens: torch.Tensor, heats: torch.Tensor, with_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return log-probs and, if asked for, entropies (N,) of one chunk."""
    logits = head.logits(states) / heats.unsqueeze(-1)
    # one fused pass each way; gather and logsumexp take a quarter longer
    logprobs = -cross_entropy(logits, tokens, reduction="none")
    return logprobs, _entropy(logits) if with_entropy else None


@torch.no_grad()
def _entropy(logits: torch.Tensor) -> torch.Tensor:
    # entr knows that 0 log 0 is 0, which a logit of -inf needs
    entropies: torch.Tensor = torch.special.entr(logits.softmax(-1)).sum(-1)
    return entropies
