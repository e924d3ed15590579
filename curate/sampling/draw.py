"""Draw one token a row from logits, and say how likely it was."""

from __future__ import annotations

import torch

from curate.sampling.completion import Setting


def draw(
    logits: torch.Tensor, nodes: torch.Tensor, uniforms: torch.Tensor, setting: Setting
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens (R,) and their natural log-probs (R,): row i draws by ``uniforms[i]`` from ``logits[nodes[i]]``.

    ``logits`` (U, V) are float32, ``uniforms`` (R,) in (0, 1). The token is the first whose cumulative probability
    exceeds the uniform number. Its log-prob is that of the distribution drawn from, log_softmax(logits / temperature),
    renormalised over the tokens that top_p keeps. At temperature 0 the likeliest token is taken, and its log-prob is
    that at temperature 1. Logits that are not finite give log-probs that are not.
    """
    logprobs = torch.log_softmax(logits / (setting.temperature or 1.0), -1)
    if not setting.temperature:
        tokens = logprobs.argmax(-1)[nodes]
    else:
        if setting.top_p < 1:
            logprobs = nucleus(logprobs, setting.top_p)
        cumulative = logprobs.exp().cumsum(-1, dtype=torch.float64)[nodes]
        places = torch.searchsorted(cumulative, uniforms.unsqueeze(-1) * cumulative[:, -1:], right=True)
        tokens = places.squeeze(-1).clamp(max=logits.shape[-1] - 1)
    return tokens, logprobs[nodes, tokens].clamp(max=0.0)


def likeliest(logits: torch.Tensor, nodes: torch.Tensor, k: int, setting: Setting) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k likeliest tokens of each row and their natural log-probs, (R, k) both, likeliest first.

    Those of log_softmax(logits / temperature) over the whole vocabulary, before top_p cuts it; at temperature 0 those at 1.
    """
    values, tokens = torch.log_softmax(logits / (setting.temperature or 1.0), -1).topk(k, dim=-1)
    return tokens[nodes], values[nodes].clamp(max=0.0)


def nucleus(logprobs: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the fewest likeliest tokens whose probabilities reach ``top_p``, renormalised; the others become -inf.

    ``logprobs`` (N, V) sum to one a row. The likeliest token is always kept; of equal ones the first. Source: Holtzman
    et al., "The curious case of neural text degeneration" (arXiv 1904.09751).
    """
    ordered, places = torch.sort(logprobs, dim=-1, descending=True, stable=True)
    shares = ordered.exp()
    is_kept = shares.cumsum(-1) - shares < top_p
    is_kept[:, 0] = True
    kept = ordered.masked_fill(~is_kept, -torch.inf)
    kept = kept - kept.logsumexp(-1, keepdim=True)
    return torch.empty_like(logprobs).scatter_(-1, places, kept)
