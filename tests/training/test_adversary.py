"""RP-DRO's adversary: weights by hand, its gradient against autograd, and where it ends."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.training.adversary import Adversary
from curate.training.collate import Batch, Collator
from curate.training.objective import Objective
from curate.training.pairs import PairCollator, Pairs
from curate.training.rows import Rows

SFT = Objective(name="sft")


def rows(completions: list[list[int]], prompts: list[list[int]], prompt_of: list[int]) -> Rows:
    n, tokens = len(completions), [token for one in completions for token in one]
    return Rows(
        prompt_tokens=np.array([token for one in prompts for token in one], np.int32),
        prompt_starts=np.cumsum([0, *map(len, prompts)]),
        prompt_of=np.array(prompt_of),
        tokens=np.array(tokens, np.int32),
        starts=np.cumsum([0, *map(len, completions)]),
        is_trained=np.ones(len(tokens), np.bool_),
        behaviour=np.full(len(tokens), np.nan, np.float32),
        advantage=np.ones(n, np.float32),
        token_advantages=None,
        weight=np.ones(n, np.float32),
        temperature=np.ones(n, np.float32),
        group_id=np.zeros(n, np.int64),
        is_own=np.zeros(n, np.bool_),
    )


THREE = rows([[1, 2], [2, 2, 3], [4]], [[5, 6], [7]], [0, 0, 1])


def adversary(of: Rows = THREE, objective: Objective = SFT, tau: float = 1.0, rate: float = 0.1) -> Adversary:
    return Adversary(of, 10, objective, tau, rate)


def play(player: Adversary, batches: list[Batch], risks: torch.Tensor) -> list[float]:
    """Let the adversary weigh one step, and learn from rows whose every token has the log-prob -risk."""
    player.weigh(batches, "cpu")
    for batch in batches:
        player.learn_from(batch, -risks[batch["row"]].unsqueeze(-1).expand(batch["mask"].shape))
    player.step("cpu")
    return [weight for batch in batches for weight in batch["dro"].tolist()]


def test_weights_start_equal_and_are_n_times_a_softmax() -> None:
    player, collator = adversary(), Collator(THREE)
    batches = [collator([2, 0]), collator([1])]
    player.weigh(batches, "cpu")
    assert [batch["dro"].tolist() for batch in batches] == [[1, 1], [1]]
    with torch.no_grad():
        player.psi[0, 5], player.psi[0, 7], player.psi[1, 2], player.psi[1, 4] = 1.0, 0.5, 0.6, -0.5
    player.weigh(batches, "cpu")
    # f: row 2: .5 - .5 = 0; row 0: 1 / 2 + .6 / 2 = .8; row 1: .5 + .6 * 2 / 3 = .9
    powers = [math.exp(f) for f in (0.0, 0.8, 0.9)]
    expected = [3 * power / sum(powers) for power in powers]
    assert [w for batch in batches for w in batch["dro"].tolist()] == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_the_adversary_s_loss() -> None:
    torch.manual_seed(0)
    player, risks = adversary(tau=0.7, rate=0.0), torch.tensor([0.3, 2.0, 1.1], dtype=torch.float64)
    with torch.no_grad():
        player.psi.normal_()
    play(player, [Collator(THREE)([0, 1]), Collator(THREE)([2])], risks)
    psi = player.psi.detach().double().requires_grad_()
    bags = [([5, 6], [1, 2]), ([5, 6], [2, 2, 3]), ([7], [4])]
    scores = torch.stack([psi[0][list(x)].mean() + psi[1][list(y)].mean() for x, y in bags])
    log_w = scores.log_softmax(0) + math.log(3)
    loss = -(log_w.exp() * risks).mean() + 0.7 * (log_w.exp() * log_w).mean()
    loss.backward()
    assert psi.grad is not None
    assert player.psi.grad is not None
    torch.testing.assert_close(player.psi.grad.double(), psi.grad, atol=1e-6, rtol=0)
    assert player.figures["dro_loss"] == pytest.approx(float((log_w.exp() * risks).mean().detach()), rel=1e-5)
    assert player.figures["dro_kl"] == pytest.approx(float((log_w.exp() * log_w).mean().detach()), rel=1e-5)
    assert player.figures["dro_max"] == pytest.approx(float(log_w.exp().max().detach()), rel=1e-5)


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_it_ends_at_the_worst_weights_of_its_price(tau: float) -> None:
    player, risks = adversary(tau=tau, rate=0.05), torch.tensor([0.3, 2.0, 1.1])
    for _ in range(800):
        weights = play(player, [Collator(THREE)([0, 1, 2])], risks)
    powers = (risks / tau).exp()
    assert weights == pytest.approx((powers / powers.mean()).tolist(), abs=0.01)


def test_a_high_price_leaves_the_weights_equal() -> None:
    player = adversary(tau=1e4, rate=0.01)
    for _ in range(200):
        weights = play(player, [Collator(THREE)([0, 1, 2])], torch.tensor([0.3, 2.0, 1.1]))
    assert weights == pytest.approx([1, 1, 1], abs=0.05)


def test_how_a_step_is_cut_changes_nothing() -> None:
    whole, cut, risks = adversary(), adversary(), torch.tensor([0.3, 2.0, 1.1])
    collator = Collator(THREE)
    for _ in range(5):
        one = play(whole, [collator([0, 1, 2])], risks)
        other = play(cut, [collator([0]), collator([]), collator([1, 2])], risks)
    assert [other[0], *other[2:]] == pytest.approx(one)  # no row gives a masked one of weight 1
    torch.testing.assert_close(whole.psi, cut.psi)


def test_a_skipped_step_changes_nothing() -> None:
    player, batch = adversary(), Collator(THREE)([0, 1, 2])
    player.weigh([batch], "cpu")
    player.learn_from(batch, torch.tensor([[-1.0], [-2.0], [-3.0]]).expand(batch["mask"].shape))
    player.step("cpu", is_skipped=True)
    assert not player.psi.any()
    assert player.figures == pytest.approx({"dro_loss": 2.0, "dro_kl": 0.0, "dro_max": 1.0})


def test_pairs_have_a_bag_of_either_side_and_their_loss_as_risk() -> None:
    pairs = Pairs(
        chosen=np.array([0, 1]),
        rejected=np.array([1, 0]),
        target=np.array([2.0, 1.0], np.float32),
        smoothing=np.zeros(2, np.float32),
        shared=np.zeros(2, np.int64),
    )
    player = adversary(objective=Objective(name="rebel"))
    batch = PairCollator(Collator(THREE, old=np.zeros(6, np.float32)), pairs)([0, 1])
    player.weigh([batch], "cpu")
    player.learn_from(batch, torch.zeros(batch["mask"].shape))
    player.step("cpu")
    assert player.figures["dro_loss"] == pytest.approx((4 + 1) / 2)
    # pair 0, of the larger risk, has row 0 chosen: its tokens 1 and 2 go up there, and down as pair 1's rejected ones
    assert player.psi[1, 1] > 0
    assert player.psi[2, 1] < 0
    assert player.psi[2, 3] > 0
    assert not player.psi[0].any()  # both pairs have one prompt


def test_it_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    unbroken, first, again = adversary(), adversary(), adversary()
    batches, risks = [Collator(THREE)([0, 1, 2])], torch.tensor([0.3, 2.0, 1.1])
    first.save(tmp_path)
    first.load(tmp_path)  # nothing learned yet
    for _ in range(3):
        play(unbroken, batches, risks)
        play(first, batches, risks)
    first.save(tmp_path)
    again.load(tmp_path)
    for player in (unbroken, again):
        for _ in range(3):
            play(player, batches, risks)
    assert torch.equal(unbroken.psi, again.psi)
