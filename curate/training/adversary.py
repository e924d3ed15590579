"""The second player of RP-DRO (2204.06340): weights of a step's items that are trained to make the loss large.

    w_i = n * softmax(f_psi)_i over the n items (rows or pairs) of an optimiser step, on all ranks
    model's loss      mean_i(w_i * loss_i), no gradient through w
    adversary's loss  -mean_i(w_i * l_i) + tau * mean_i(w_i log w_i), no gradient through l

l_i is the item's risk: of a pair its loss, of a supervised row the mean of its token losses. Model and adversary take their
steps at the same time, both from where they are. tau > 0 is the price of leaving the uniform weights: where f can tell all
items apart, w tends to n * softmax(l / tau).

What differs from the paper: f_psi is linear in bags of tokens, the mean over the prompt's tokens of one number a token plus
the same of the completion's (of a pair: chosen and rejected apart), starting at 0 and so at equal weights. The paper's
adversaries are networks of the model's size; a bag costs no forward pass, so the weights of a whole step are known before its
first micro-batch, and a step may be cut in any way. It cannot tell items apart by the order of their tokens. Its optimiser is
Adam without decay, at the model's learning rate unless another is given (as in pmichel31415/P-DRO@aa8f9ca).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from curate.training.collate import Batch
from curate.training.measure import sum_over_ranks
from curate.training.objective import Objective
from curate.training.pairs import pair_risks
from curate.training.rows import Rows

ADVERSARY = "adversary.safetensors"
STATE = ("step", "exp_avg", "exp_avg_sq")

# Token ids of the prompt, and of one completion or of two
Bags = tuple[torch.Tensor, ...]


class Adversary:
    """Weigh the items of each step, and learn from their risks.

    ``psi`` (3, vocabulary) holds the numbers of tokens in prompts, in completions or chosen sides, and in rejected sides;
    it lies on the CPU and is the same on every rank. ``figures`` are those of the last step: ``dro_loss``, the mean of
    w * l; ``dro_kl``, the mean of w log w in nats; ``dro_max``, the largest weight.
    """

    def __init__(self, rows: Rows, vocabulary: int, objective: Objective, tau: float, learning_rate: float) -> None:
        self.rows = rows
        self.objective = objective
        self.tau = tau
        self.psi = torch.nn.Parameter(torch.zeros(3, vocabulary))
        self.optimizer = torch.optim.Adam([self.psi], lr=learning_rate)
        self.figures: dict[str, float] = {}
        self._bags: list[Bags] = []
        self._log_w = torch.zeros(0, dtype=torch.float64)
        self._risks: list[torch.Tensor] = []
        self._n = 0.0

    def weigh(self, batches: Sequence[Batch], device: Any) -> None:
        """Put ``dro`` (items,), the weights w, into every micro-batch of one optimiser step on this rank."""
        bags = [self._bags_of(batch) for batch in batches]
        self._bags, self._risks = [one for of_batch in bags for one in of_batch], []
        scores = torch.tensor([self._score(one) for one in self._bags], dtype=torch.float64)
        total, self._n = sum_over_ranks(
            torch.stack([scores.exp().sum(), torch.tensor(float(len(scores)))]), device
        ).tolist()
        self._log_w = scores - torch.tensor(total / max(self._n, 1.0)).log()
        weights = torch.split(self._log_w.exp().float(), [len(of_batch) for of_batch in bags])
        for batch, own in zip(batches, weights, strict=True):
            batch["dro"] = own if len(own) else torch.ones(_n_items(self.objective, batch))

    def learn_from(self, batch: Batch, new_BT: torch.Tensor) -> None:
        """Keep the risks of one of the micro-batches that ``weigh`` saw, in their order."""
        if batch["row"][0] >= 0:
            self._risks.append(item_risks(self.objective, batch, new_BT).double().cpu())

    def step(self, device: Any, *, is_skipped: bool = False) -> None:
        """Take one step on the adversary's loss; a skipped one changes nothing but ``figures``."""
        risks = torch.cat([*self._risks, torch.zeros(0, dtype=torch.float64)])
        w, log_w, n = self._log_w.exp(), self._log_w, max(self._n, 1.0)
        sums = sum_over_ranks(torch.stack([(w * risks).sum(), (w * log_w).sum()]), device) / n
        mean_risk, kl = sums.tolist()
        self.figures = {"dro_loss": mean_risk, "dro_kl": kl, "dro_max": _largest(w)}
        # through w = n * softmax(f): dw_j/df_i = w_j (1[i = j] - w_i / n)
        of_scores = w * (self.tau * (log_w - kl) - (risks - mean_risk)) / n
        gradient = torch.zeros_like(self.psi)
        for bags, value in zip(self._bags, of_scores.float(), strict=True):
            for place, tokens in enumerate(bags):
                gradient[place].index_add_(0, tokens, (value / len(tokens)).expand(len(tokens)))
        self.psi.grad = sum_over_ranks(gradient, device)
        if not is_skipped:
            self.optimizer.step()

    def save(self, folder: Path) -> None:
        """Write the numbers and the state of their optimiser."""
        state = self.optimizer.state.get(self.psi, {})
        blank = {"step": torch.tensor(0.0)}
        kept = {name: state.get(name, blank.get(name, torch.zeros_like(self.psi))) for name in STATE}
        save_file({"psi": self.psi.detach(), **kept}, folder / ADVERSARY)

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        stored = load_file(folder / ADVERSARY)
        with torch.no_grad():
            self.psi.copy_(stored["psi"])
        if stored["step"] > 0:
            self.optimizer.state[self.psi] = {name: stored[name] for name in STATE}

    def _bags_of(self, batch: Batch) -> list[Bags]:
        numbers = batch["row"].tolist()
        if numbers[0] < 0:
            return []
        half = len(numbers) // 2
        items = (
            zip(numbers[:half], numbers[half:], strict=True) if self.objective.is_pairwise else ((n,) for n in numbers)
        )
        return [self._tokens(item) for item in items]

    def _tokens(self, item: tuple[int, ...]) -> Bags:
        arrays = [self.rows.prompt(item[0]), *(self.rows.tokens[self.rows.completion(row)] for row in item)]
        return tuple(torch.from_numpy(tokens).long() for tokens in arrays)

    def _score(self, bags: Bags) -> float:
        with torch.no_grad():
            return sum(float(self.psi[place][tokens].mean()) for place, tokens in enumerate(bags))


def item_risks(objective: Objective, batch: Batch, new_BT: torch.Tensor) -> torch.Tensor:
    """Return the risk of every item: a pair's loss (P,), or the mean of a row's supervised token losses -A * new (B,)."""
    if objective.is_pairwise:
        return pair_risks(objective, batch, new_BT)
    mask_BT = batch["mask"].to(new_BT.device)
    losses_BT = (-batch["advantages"].to(new_BT.device) * new_BT.detach()).masked_fill(~mask_BT, 0.0)
    return losses_BT.sum(-1) / mask_BT.sum(-1).clamp(min=1)


def _n_items(objective: Objective, batch: Batch) -> int:
    return len(batch["is_pair"] if objective.is_pairwise else batch["row"])


def _largest(weights: torch.Tensor) -> float:
    """Return the largest weight of any rank."""
    largest = weights.max() if len(weights) else torch.tensor(0.0, dtype=torch.float64)
    if torch.distributed.is_initialized():
        every: list[float] = [0.0] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(every, float(largest))
        return max(every)
    return float(largest)
