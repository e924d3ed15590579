"""The policy losses of the offline trainer, token by token, and the one function that the trainer calls.

Notation: new = log pi_theta(token), differentiable; old = log-prob at the start of the run, or of the behaviour policy
in bypass mode, fixed; mu = the behaviour's log-prob; A = advantage; m = loss mask; sg = no gradient. Log ratios are cut
to +-20 nats. Shapes: B sequences, T = tokens of the longest completion, and ``_BT`` is a grid over completion tokens only,
padded on the right where m is 0; what a grid holds there (NaN too) is never read.

    grpo    -min(ratio * A, clip(ratio, 1 - low, 1 + high) * A), ratio = exp(new - old); dual clip: at most c * |A|, A < 0
    gspo    the same with ratio_t = sg(s) * exp(new - sg(new)), s = exp(mean_t(new - old))
    cispo   -sg(clip(ratio)) * A * new
    topr    -w * A * new, w = 1 for A >= 0, else sg(min(exp(sum_t(new - mu)), 1))
    asymre  -w * (A + delta) * new, w = 1 or the sequence weight
    dro     -(A * new - beta / 2 * (new - mu)^2)
    sft     -A * new

A loop of one optimiser step over micro-batches, on every rank:

    shares = [share_of_n(objective, mask_BT, weights_B=weights_B) for each micro-batch]    # curate.training.aggregate
    denominator = all_reduce_sum(sum(shares))
    for each micro-batch:
        loss, sums = policy_loss(
            objective, new_BT, advantages_BT, mask_BT, denominator=denominator, world_size=world_size, old_BT=old_BT
        )
        loss.backward()    # gradients are added up over micro-batches, averaged over ranks; divide by nothing else
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from curate.training.aggregate import aggregate, trained_mask
from curate.training.kl import LIMIT, kl_term
from curate.training.objective import CLIPPED, Objective

COUNTS = ("tokens", "sequences", "pairs")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token loss reads: grids (B, T), 0 outside the mask.

    ``compared`` is the log ratio of new against old (against mu for objectives without a clip), null where neither is known.
    """

    new: torch.Tensor
    advantages: torch.Tensor
    mask: torch.Tensor
    compared: torch.Tensor | None

    @property
    def log_ratio(self) -> torch.Tensor:
        """Return ``compared``; raises ValueError where it is null."""
        if self.compared is None:
            raise ValueError("this objective needs old log-probs: give old_BT")
        return self.compared


def policy_loss(
    objective: Objective,
    new_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    *,
    denominator: float,
    world_size: int = 1,
    old_BT: torch.Tensor | None = None,
    behaviour_BT: torch.Tensor | None = None,
    ref_BT: torch.Tensor | None = None,
    weights_B: torch.Tensor | None = None,
    kl_scale_B: torch.Tensor | None = None,
    entropy_BT: torch.Tensor | None = None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return a micro-batch's share of the loss, W * local_sum / N, and sums for the log.

    A token's loss is u * (policy loss + kl_coef * kl_scale * KL term), u the importance weight of decoupled mode, and goes
    through ``aggregate``, where the sample's weight multiplies all of it; ``denominator`` is N of the whole optimiser step (see ``share_of_n``), ``world_size`` W.

    - ``advantages_BT``: as stored, one value a token (a sequence's own repeated); asymre's delta is added here, not before.
    - ``old_BT``: needed by all but sft and asymre without sequence weights. In bypass mode the stored behaviour log-probs.
    - ``behaviour_BT``: in decoupled mode only, beside an ``old_BT`` recomputed at the start. grpo, gspo and cispo then
      weigh by u = exp(old - behaviour), truncated or masked at ``importance_cap``; the others take it as mu, u = 1.
    - ``ref_BT``: log-probs of the reference, needed where kl_coef is above 0.
    - ``weights_B``: sample weights, null for 1. ``kl_scale_B``: factors of the samples' KL terms, null for 1.
    - ``entropy_BT``: for the sums only.

    The off-policy sequence mask takes the policy loss of a sequence away, not its KL term and not its place in N (it
    depends on new, and N is known before the forward pass).

    The sums run over the micro-batch's trained tokens and add up over micro-batches and ranks; ``token_means`` divides
    them: tokens, sequences (with a trained token), policy (loss), and where known log_ratio, ratio and k3 (of new against
    old: exp(d) - d - 1, an estimate of KL(old || new)), clipped (tokens whose gradient a clip changed), kl (the term
    without its coefficient and the sample's scale), importance (u), off_policy (tokens taken by the sequence mask), entropy.

    A micro-batch without trained tokens gives a 0 from which backward runs. Raises ValueError where a needed grid is missing.
    """
    mask_BT = trained_mask(objective, mask_BT, old_BT, behaviour_BT)
    new_BT, advantages_BT = inside(new_BT, mask_BT), inside(advantages_BT, mask_BT)
    old_BT, behaviour_BT, ref_BT, entropy_BT = (
        None if grid is None else inside(grid, mask_BT) for grid in (old_BT, behaviour_BT, ref_BT, entropy_BT)
    )
    mu_BT = old_BT if behaviour_BT is None else behaviour_BT
    anchor_BT = old_BT if objective.name in CLIPPED else mu_BT
    log_ratio_BT = None if anchor_BT is None else _log_ratio(new_BT, anchor_BT)
    loss_BT, clipped_BT = TOKEN_LOSSES[objective.name](objective, Terms(new_BT, advantages_BT, mask_BT, log_ratio_BT))
    sums = {"policy": loss_BT, "clipped": clipped_BT, "entropy": entropy_BT}
    if old_BT is not None:
        sums |= drift_terms(new_BT, old_BT)
    if objective.mask_delta is not None:
        keep_BT = _on_policy(new_BT, mu_BT, advantages_BT, mask_BT, objective.mask_delta)
        loss_BT, sums["off_policy"] = loss_BT * keep_BT, ~keep_BT
    if objective.kl_coef:
        kl_BT = kl_term(objective.kl, new_BT, ref_BT, log_ratio_BT)
        scale_B1 = 1.0 if kl_scale_B is None else kl_scale_B.unsqueeze(-1)
        loss_BT, sums["kl"] = loss_BT + objective.kl_coef * scale_B1 * kl_BT, kl_BT
    if behaviour_BT is not None and old_BT is not None and objective.name in CLIPPED:
        u_BT = _log_ratio(old_BT, behaviour_BT).exp().clamp(max=objective.importance_cap)
        loss_BT, sums["importance"] = loss_BT * u_BT, u_BT
    loss = aggregate(objective, loss_BT, mask_BT, denominator=denominator, world_size=world_size, weights_B=weights_B)
    return loss, summed(sums, mask_BT)


def token_means(sums: Mapping[str, float]) -> dict[str, float]:
    """Return every sum a trained token, those named pair_ a pair; counts stay counts; empty without any token."""
    if not sums.get("tokens"):
        return {}
    return {name: value / sums.get(_counted_in(name), 1.0) for name, value in sums.items()}


def _counted_in(name: str) -> str:
    if name in COUNTS:
        return ""
    return "pairs" if name.startswith("pair_") else "tokens"


def grpo(objective: Objective, terms: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return -min(ratio * A, clip(ratio) * A) a token, ratio = exp(new - old), and where the clip acts (2402.03300)."""
    return _clipped(objective, terms.log_ratio.exp(), terms.advantages)


def gspo(objective: Objective, terms: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return grpo's loss with the ratio of the whole sequence, exp(mean_t(new - old)) (2507.18071).

    This is the paper's GSPO-token form, sg(s) * exp(new - sg(new)): it equals GSPO where A is one a sequence, and takes
    token advantages.
    """
    tokens_B1 = terms.mask.sum(-1, keepdim=True).clamp(min=1)
    mean_B1 = terms.log_ratio.detach().sum(-1, keepdim=True) / tokens_B1
    return _clipped(objective, (mean_B1 + terms.new - terms.new.detach()).exp(), terms.advantages)


def cispo(objective: Objective, terms: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return -sg(clip(ratio)) * A * new a token, cut above only or at both ends, and where it is cut (2506.13585)."""
    low, high = objective.clip
    ratio_BT = terms.log_ratio.detach().exp()
    cut_BT = ratio_BT.clamp(1 - low if objective.cispo_clip == "both" else 0.0, 1 + high)
    return -cut_BT * terms.advantages * terms.new, cut_BT != ratio_BT


def topr(objective: Objective, terms: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return -w * A * new a token, w = 1 for A >= 0, else the sequence's ratio cut to [0, 1] (2503.14286).

    No gradient runs through w, so a token with A < 0 is pushed down only as long as its sequence is still likely. With
    token advantages the sign is the token's.
    """
    log_w_B1 = terms.log_ratio.detach().sum(-1, keepdim=True)
    is_cut_BT = (terms.advantages < 0) & (log_w_B1 > 0)
    w_BT = torch.where(terms.advantages < 0, log_w_B1.clamp(-LIMIT, 0.0).exp(), 1.0)
    return -w_BT * terms.advantages * terms.new, is_cut_BT


def asymre(objective: Objective, terms: Terms) -> tuple[torch.Tensor, None]:
    """Return -w * (A + delta) * new a token (2506.20520): REINFORCE on stored samples with a lowered baseline.

    The paper's r - V with V = mean - delta is A + delta for A = r - mean. Of a standardized A it is
    (r - (mean - delta * std)) / std: still under the mean. An advantage that is not centred (raft, psr, nsr) has another
    baseline, and delta then lowers that one. In a group of equal rewards (A = 0, where the recipe keeps it) every sample
    is pushed up by delta, as published. w is 1, or with ``sequence_weights`` sg(exp(sum_t(new - mu))), truncated at
    ``importance_cap`` or 0 above it.
    """
    loss_BT = -(terms.advantages + (objective.delta or 0.0)) * terms.new
    if objective.sequence_weights == "none":
        return loss_BT, None
    w_B1 = terms.log_ratio.detach().sum(-1, keepdim=True).clamp(-LIMIT, LIMIT).exp()
    cap = objective.importance_cap
    w_B1 = w_B1.clamp(max=cap) if objective.sequence_weights == "truncated" else w_B1 * (w_B1 <= cap)
    return loss_BT * w_B1, None


def dro(objective: Objective, terms: Terms) -> tuple[torch.Tensor, None]:
    """Return -(A * new - beta / 2 * (new - mu)^2) a token, A in the place of the paper's r - V (2405.19107)."""
    beta = objective.beta or 0.0
    return beta / 2 * terms.log_ratio.square() - terms.advantages * terms.new, None


def sft(objective: Objective, terms: Terms) -> tuple[torch.Tensor, None]:
    """Return -A * new a token: supervised training where A is 1."""
    return -terms.advantages * terms.new, None


TokenLoss = Callable[[Objective, Terms], tuple[torch.Tensor, torch.Tensor | None]]
TOKEN_LOSSES: dict[str, TokenLoss] = {
    "grpo": grpo,
    "gspo": gspo,
    "cispo": cispo,
    "topr": topr,
    "asymre": asymre,
    "dro": dro,
    "sft": sft,
}


def _clipped(objective: Objective, ratio: torch.Tensor, advantages: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return PPO's pessimistic loss, with the dual clip of 1912.09729 where it is set, and where a clip acts."""
    low, high = objective.clip
    free, cut = ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages
    loss, is_clipped = -torch.minimum(free, cut), cut < free
    if objective.dual_clip is None:
        return loss, is_clipped
    bound = -objective.dual_clip * advantages
    is_bound = (advantages < 0) & (loss > bound)
    return torch.where(is_bound, bound, loss), is_clipped | is_bound


def _on_policy(
    new_BT: torch.Tensor, mu_BT: torch.Tensor | None, advantages_BT: torch.Tensor, mask_BT: torch.Tensor, limit: float
) -> torch.Tensor:
    """Return which tokens the off-policy sequence mask keeps: A >= 0, or mean_t(mu - new) <= limit (DeepSeek-V3.2)."""
    if mu_BT is None:
        raise ValueError("mask_delta compares with the behaviour: give old_BT or behaviour_BT")
    apart_B1 = (mu_BT - new_BT.detach()).sum(-1, keepdim=True) / mask_BT.sum(-1, keepdim=True).clamp(min=1)
    return (advantages_BT >= 0) | (apart_B1 <= limit)


def drift_terms(new_BT: torch.Tensor, old_BT: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what drift is summed from, grids (B, T): d = new - old cut to +-20 nats, exp(d), and exp(d) - d - 1."""
    d_BT = _log_ratio(new_BT.detach(), old_BT)
    return {"log_ratio": d_BT, "ratio": d_BT.exp(), "k3": torch.expm1(d_BT) - d_BT}


def _log_ratio(new_BT: torch.Tensor, old_BT: torch.Tensor) -> torch.Tensor:
    return (new_BT - old_BT).clamp(-LIMIT, LIMIT)


def inside(values_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Return the values as float32, 0 outside the mask: 0 * NaN would be NaN, in the loss and in its gradient."""
    return values_BT.float().masked_fill(~mask_BT, 0.0)


def summed(sums: Mapping[str, torch.Tensor | None], mask_BT: torch.Tensor) -> dict[str, float]:
    """Sum every known grid over the mask, in one copy from the device."""
    known = {name: inside(values.detach(), mask_BT).sum() for name, values in sums.items() if values is not None}
    totals = {"tokens": mask_BT.sum(), "sequences": mask_BT.any(-1).sum(), **known}
    return dict(zip(totals, torch.stack([total.double() for total in totals.values()]).tolist(), strict=True))
