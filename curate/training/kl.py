"""The KL to the reference as a term of the loss, estimated from samples of an older policy."""

from __future__ import annotations

import torch

# exp(20) is 5e8: beyond it a log ratio says no more than "very different", and float32 sums lose everything else.
LIMIT = 20.0


def k2(d: torch.Tensor) -> torch.Tensor:
    """Return d^2 / 2 of d = new - ref (nats, any shape): the estimator whose plain gradient is the KL's (d * grad new)."""
    return d.clamp(-LIMIT, LIMIT).square() / 2


def k3(d: torch.Tensor) -> torch.Tensor:
    """Return exp(-d) + d - 1 of d = new - ref (nats, any shape): never negative, unbiased for KL(new || ref) under new."""
    d = d.clamp(-LIMIT, LIMIT)
    return torch.expm1(-d) + d


def kl_term(
    kind: str, new_BT: torch.Tensor, ref_BT: torch.Tensor | None, log_ratio_BT: torch.Tensor | None
) -> torch.Tensor:
    """Return the KL(new || ref) term of every token, (B, T) in nats, weighted to the policy that is trained.

    With ratio = exp(new - old), d = new - ref:

        k3: ratio * (exp(-d) + d - 1), gradient through the ratio too    (DeepSeek-V3.2's unbiased estimate)
        k2: sg(ratio) * d^2 / 2

    Either has the gradient of a token's KL(new || ref) in expectation over old's samples, at the first update (ratio 1) as
    at any later one; as in PPO the ratio is the token's own, so prefixes stay distributed as old's. The form of GRPO
    (2402.03300), k3 without a ratio, has that of KL(ref || new) at the first update, and that of no KL afterwards.
    ``log_ratio_BT`` null (training texts that no policy sampled, so that nothing is known to weight by) gives the plain
    form. Positions outside the mask must hold finite numbers. Raises ValueError without ``ref_BT``.
    """
    if ref_BT is None:
        raise ValueError("kl_coef is above 0: give ref_BT, the reference's log-probs")
    d = new_BT - ref_BT
    value = k3(d) if kind == "k3" else k2(d)
    if log_ratio_BT is None:
        return value
    ratio = log_ratio_BT.clamp(-LIMIT, LIMIT).exp()
    return value * (ratio if kind == "k3" else ratio.detach())
