"""The losses of preference pairs, and how the pairs lie beside the rows.

Notation: d(y) = sum over y's trained tokens of log pi_theta - log anchor; c = the chosen side, r = the rejected one;
margin = d(c) - d(r), in nats.

    dpo    -(1 - eps) log sigmoid(beta * margin) - eps log sigmoid(-beta * margin), anchor = the reference (2305.18290); eps
           is the pair's smoothing: 0 is the paper's loss, above it conservative DPO, which 2405.00451 uses
    rebel  (margin - target)^2, anchor = old, the policy pi_t that sampled (2404.16767); target = eta * (r_c - r_r)
    prdp   max((margin - target)^2, (margin of cut log ratios - target)^2), anchor = the reference (2402.08714); target =
           (r_c - r_r) / beta; a token's log ratio is cut to log(old / ref) +- log_clip

PRDP is published for the steps of a denoising trajectory: that a token takes a step's place is ours, and the width of its
clip is not public, so that it has to be given. The loss of a step is the mean over its pairs. As everywhere in the
trainer, log-probs are those at the temperature that a row was sampled at. With ``from_first_difference`` the tokens that
both sides begin with are masked on both (2405.00451: loss of the step that differs and of what follows it; the authors'
code, YuxiXie/MCTS-DPO@1aa2b69, starts one token later, as it indexes shifted log-probs by unshifted places: not followed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import logsigmoid

from curate.training.collate import Batch, Collator
from curate.training.losses import drift_terms, inside, summed
from curate.training.objective import Objective
from curate.training.rows import Rows


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows: ``chosen`` and ``rejected`` (P,) are row numbers, ``target`` (P,) is NaN where null, ``smoothing`` (P,)
    0 where null, ``shared`` (P,) counts the leading completion tokens that are left out of both sides.
    """

    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]
    target: NDArray[np.float32]
    smoothing: NDArray[np.float32]
    shared: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def both(self, of_rows: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over both sides, (P,), of a number of every row."""
        total: NDArray[Any] = of_rows[self.chosen] + of_rows[self.rejected]
        return total

    def n_trained(self, rows: Rows) -> NDArray[np.int64]:
        """Return the trained tokens of each pair, both sides, (P,)."""
        before = np.concatenate([[0], np.cumsum(rows.is_trained, dtype=np.int64)])
        starts = rows.starts[:-1]
        total = self.both(rows.n_trained)
        for side in (self.chosen, self.rejected):
            total -= before[starts[side] + self.shared] - before[starts[side]]
        return total


def shared_prefix(rows: Rows, chosen: NDArray[np.int64], rejected: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many leading completion tokens the two sides of each pair have in common, (P,)."""
    return np.array(
        [
            _first_difference(rows.tokens[rows.completion(c)], rows.tokens[rows.completion(r)])
            for c, r in zip(chosen.tolist(), rejected.tolist(), strict=True)
        ],
        np.int64,
    )


def _first_difference(a: NDArray[np.int32], b: NDArray[np.int32]) -> int:
    n = min(len(a), len(b))
    differs = a[:n] != b[:n]
    return int(differs.argmax()) if differs.any() else n


@dataclass
class PairCollator:
    """Make a micro-batch of pair numbers: P chosen rows, then their P rejected ones, in one batch of the row collator.

    Beside that batch's fields it holds ``target``, ``smoothing`` and ``is_pair`` (P,); no pair at all gives one that is
    masked whole, so that backward runs.
    """

    collator: Collator
    pairs: Pairs

    def __call__(self, chosen: list[int]) -> Batch:
        pairs = self.pairs
        place_P = np.asarray(chosen or [0])
        batch = self.collator([*pairs.chosen[place_P], *pairs.rejected[place_P]])
        shared_B1 = torch.from_numpy(np.tile(pairs.shared[place_P], 2)).unsqueeze(-1)
        batch["mask"] &= torch.arange(batch["mask"].shape[1]) >= shared_B1
        if not chosen:
            batch["mask"] = torch.zeros_like(batch["mask"])
            batch["row"] = torch.full_like(batch["row"], -1)
        return batch | {
            "target": torch.from_numpy(pairs.target[place_P]),
            "smoothing": torch.from_numpy(pairs.smoothing[place_P]),
            "is_pair": torch.full((len(place_P),), bool(chosen)),
        }


def pair_loss(
    objective: Objective,
    new_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    target_P: torch.Tensor,
    smoothing_P: torch.Tensor,
    is_pair_P: torch.Tensor,
    *,
    denominator: float,
    world_size: int = 1,
    old_BT: torch.Tensor | None = None,
    ref_BT: torch.Tensor | None = None,
    weights_P: torch.Tensor | None = None,
    entropy_BT: torch.Tensor | None = None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return a micro-batch's share of the loss, W * sum_p(w_p * loss_p) / N, and sums for the log.

    B = 2 P: the first P sequences are chosen, the others rejected. N, ``denominator``, counts the pairs of the whole
    optimiser step. ``old_BT`` is needed by rebel and prdp, ``ref_BT`` by dpo and prdp; what a grid holds outside the mask is
    never read. ``target_P`` is read by rebel and prdp, ``smoothing_P`` by dpo.

    Sums beside those of ``policy_loss``: pairs, and summed over pairs pair_loss, pair_accuracy (margin above 0),
    pair_margin, pair_chosen and pair_rejected (d of a side, nats), pair_clipped (prdp: the cut side is the larger).

    A side without a trained token has d = 0; no pair gives a 0 that backward can run from. Raises ValueError where a needed
    grid is missing.
    """
    mask_BT = mask_BT.bool()
    terms = _terms(mask_BT, new_BT, old_BT, ref_BT, target_P, smoothing_P)
    loss_P, chosen_P, rejected_P, clipped_P = PAIR_LOSSES[objective.name](objective, terms)
    weighted_P = loss_P if weights_P is None else loss_P * weights_P
    loss = (weighted_P * is_pair_P).sum() * (world_size / denominator if denominator > 0 else 0.0)
    of_tokens = {"entropy": entropy_BT} | ({} if terms.old is None else drift_terms(terms.new, terms.old))
    margin_P = chosen_P - rejected_P
    of_pairs = {
        "pairs": is_pair_P,
        "pair_loss": loss_P,
        "pair_accuracy": margin_P > 0,
        "pair_margin": margin_P,
        "pair_chosen": chosen_P,
        "pair_rejected": rejected_P,
        "pair_clipped": clipped_P,
    }
    known = {name: (values.detach() * is_pair_P).sum() for name, values in of_pairs.items() if values is not None}
    pair_sums = torch.stack([total.double() for total in known.values()]).tolist()
    return loss, summed(of_tokens, mask_BT) | dict(zip(known, pair_sums, strict=True))


@torch.no_grad()
def pair_risks(objective: Objective, batch: Batch, new_BT: torch.Tensor) -> torch.Tensor:
    """Return the loss of every pair of a batch by itself, (P,), without a gradient."""
    of_batch = (batch["mask"].bool(), new_BT, batch.get("old"), batch.get("ref"), batch["target"], batch["smoothing"])
    return PAIR_LOSSES[objective.name](objective, _terms(*of_batch))[0]


def _terms(
    mask_BT: torch.Tensor,
    new_BT: torch.Tensor,
    old_BT: torch.Tensor | None,
    ref_BT: torch.Tensor | None,
    target_P: torch.Tensor,
    smoothing_P: torch.Tensor,
) -> PairTerms:
    old_BT, ref_BT = (None if grid is None else inside(grid, mask_BT) for grid in (old_BT, ref_BT))
    return PairTerms(inside(new_BT, mask_BT), old_BT, ref_BT, target_P, smoothing_P)


@dataclass(frozen=True, slots=True)
class PairTerms:
    """What a pair's loss reads: grids (2 P, T), 0 outside the mask, and numbers of pairs (P,)."""

    new: torch.Tensor
    old: torch.Tensor | None
    ref: torch.Tensor | None
    target: torch.Tensor
    smoothing: torch.Tensor

    def given(self, name: str) -> torch.Tensor:
        """Return the grid ``old`` or ``ref``; raises ValueError where it is null."""
        grid: torch.Tensor | None = getattr(self, name)
        if grid is None:
            raise ValueError(f"this objective compares with {name}: give {name}_BT")
        return grid


# loss, d(c), d(r) and where a clip acts, each (P,)
Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]


def dpo(objective: Objective, terms: PairTerms) -> Parts:
    """Return -(1 - eps) log sigmoid(beta * margin) - eps log sigmoid(-beta * margin) a pair (2305.18290)."""
    chosen, rejected = _sides(terms.new - terms.given("ref"))
    score = (objective.beta or 0.0) * (chosen - rejected)
    loss = -(1 - terms.smoothing) * logsigmoid(score) - terms.smoothing * logsigmoid(-score)
    return loss, chosen, rejected, None


def rebel(objective: Objective, terms: PairTerms) -> Parts:
    """Return (margin - target)^2 a pair, log ratios against the policy that sampled (2404.16767)."""
    chosen, rejected = _sides(terms.new - terms.given("old"))
    return (chosen - rejected - terms.target).square(), chosen, rejected, None


def prdp(objective: Objective, terms: PairTerms) -> Parts:
    """Return the larger of a pair's squared error and that of its cut log ratios (2402.08714)."""
    old, ref, limit = terms.given("old"), terms.given("ref"), objective.log_clip
    cut = (terms.new - old).clamp(-limit, limit) if limit is not None else terms.new - old
    chosen, rejected = _sides(terms.new - ref)
    cut_chosen, cut_rejected = _sides(old - ref + cut)
    free = (chosen - rejected - terms.target).square()
    clipped = (cut_chosen - cut_rejected - terms.target).square()
    return torch.maximum(free, clipped), chosen, rejected, clipped > free


PAIR_LOSSES: dict[str, Callable[[Objective, PairTerms], Parts]] = {"dpo": dpo, "rebel": rebel, "prdp": prdp}


def _sides(log_ratio_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    chosen, rejected = log_ratio_BT.sum(-1).chunk(2)
    return chosen, rejected
