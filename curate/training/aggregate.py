"""From per-token losses to one scalar: three ways, exact under gradient accumulation and on several ranks.

Every micro-batch returns W * local_sum / N, where N is the denominator of the whole optimiser step: ``share_of_n`` of
every micro-batch of the accumulation window on every rank, added up before the first backward pass. The mean over W ranks
that data parallelism takes of the gradients then gives sum / N, however the rows were split.
"""

from __future__ import annotations

import torch

from curate.training.objective import Objective


def share_of_n(
    objective: Objective,
    mask_BT: torch.Tensor,
    *,
    weights_B: torch.Tensor | None = None,
    old_BT: torch.Tensor | None = None,
    behaviour_BT: torch.Tensor | None = None,
) -> float:
    """Count what a micro-batch adds to the denominator N of its optimiser step, after every mask known beforehand.

    With m = ``trained_mask`` and "trained sequences" those with at least one such token:

        token_mean     sum(m)                       self_normalised: sum(w * m)
        sequence_mean  number of trained sequences  self_normalised: their sum of w
        constant       L_max * the same

    Give ``old_BT`` and ``behaviour_BT`` in decoupled mode, as to ``policy_loss``. 0 where every token is masked. The
    off-policy sequence mask depends on the model's new log-probs, so it cannot be known here: it takes a sequence's
    loss away and leaves N alone.
    """
    mask_BT = trained_mask(objective, mask_BT, old_BT, behaviour_BT)
    counts_B = mask_BT.sum(-1).double()
    if objective.aggregation != "token_mean":
        counts_B = (counts_B > 0).double()
    if objective.self_normalised and weights_B is not None:
        counts_B = counts_B * weights_B
    scale = objective.max_length if objective.aggregation == "constant" and objective.max_length else 1
    return float(counts_B.sum()) * scale


def trained_mask(
    objective: Objective, mask_BT: torch.Tensor, old_BT: torch.Tensor | None, behaviour_BT: torch.Tensor | None
) -> torch.Tensor:
    """Return the loss mask (B, T) as booleans, without the tokens that a masked importance weight rejects.

    A token is rejected where ``importance`` is "masked" and exp(old - behaviour) > importance_cap. Without
    ``behaviour_BT`` (bypass and recompute modes) nothing is.
    """
    mask_BT = mask_BT.bool()
    if objective.importance != "masked" or behaviour_BT is None or old_BT is None:
        return mask_BT
    return mask_BT & ((old_BT - behaviour_BT).exp() <= objective.importance_cap)


def aggregate(
    objective: Objective,
    loss_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    *,
    denominator: float,
    world_size: int = 1,
    weights_B: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return W * local_sum / N, a scalar, of the token losses l (B, T) under the boolean mask m (B, T).

    local_sum is sum(w * l * m) for token_mean and constant, sum_b(w_b * sum_t(l * m) / sum_t(m)) for sequence_mean; w is
    the sample weight (B,), 1 where null. N is ``denominator``, of the whole optimiser step: see ``share_of_n``. A
    micro-batch in which every token is masked gives a 0 that backward can run from, also where N is 0.
    """
    sums_B = loss_BT.masked_fill(~mask_BT, 0.0).sum(-1)
    if objective.aggregation == "sequence_mean":
        sums_B = sums_B / mask_BT.sum(-1).clamp(min=1)
    if weights_B is not None:
        sums_B = sums_B * weights_B
    return sums_B.sum() * (world_size / denominator if denominator > 0 else 0.0)
