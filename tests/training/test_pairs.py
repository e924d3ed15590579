"""The losses of pairs: numbers by hand, the published codes, and how the pairs lie beside the rows."""

from __future__ import annotations

import math
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.errors import ConfigError
from curate.training.collate import Collator
from curate.training.losses import token_means
from curate.training.objective import Objective
from curate.training.pairs import PairCollator, Pairs, pair_loss, shared_prefix
from curate.training.rows import Rows

# Two pairs: rows 0 and 2 are the first, 1 and 3 the second. Log ratios new - REF summed over the mask:
# row 0: .1 + .2 + .3 = .6; row 1: -.4; row 2: -.2 - .3 = -.5; row 3: .5 + .1 = .6. Margins 1.1 and -1.
REF = torch.tensor([[-1.0, -2.0, -0.5], [-1.0, -1.0, -1.0], [-0.5, -0.6, -0.7], [-2.0, -1.5, -1.0]])
MOVED = torch.tensor([[0.1, 0.2, 0.3], [-0.4, 9.0, 9.0], [-0.2, -0.3, 9.0], [0.5, 0.1, 9.0]])
MASK = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 0]])
NEW = REF + MOVED
TARGET, SMOOTHING = torch.tensor([0.5, 1.0]), torch.tensor([0.0, 0.25])

DPO = Objective(name="dpo", beta=0.5)
REBEL = Objective(name="rebel")
PRDP = Objective(name="prdp", log_clip=0.15)
EVERY = pytest.mark.parametrize("objective", [DPO, REBEL, PRDP], ids=lambda o: o.name)


def run(
    objective: Objective, new: torch.Tensor = NEW, **given_grids: Any
) -> tuple[float, torch.Tensor, dict[str, float]]:
    """Return loss, gradient and sums of one optimiser step of one micro-batch."""
    new = new.clone().requires_grad_()
    grids = {"old_BT": REF, "ref_BT": REF, "mask": MASK, "target": TARGET, "smoothing": SMOOTHING} | given_grids
    mask, target, smoothing = grids.pop("mask"), grids.pop("target"), grids.pop("smoothing")
    n = grids.pop("denominator", float(len(target)))
    is_pair = grids.pop("is_pair", torch.ones(len(target), dtype=torch.bool))
    loss, sums = pair_loss(objective, new, mask, target, smoothing, is_pair, denominator=n, **grids)
    loss.backward()
    assert new.grad is not None
    return float(loss.detach()), new.grad, sums


def test_dpo_by_hand() -> None:
    # scores .55 and -.5; sigmoid(.55) = .634136, sigmoid(-.5) = .377541
    # pair 0: -log .634136 = .455492; pair 1: -.75 log .377541 - .25 log .622459 = .730558 + .118519 = .849077
    loss, gradient, sums = run(DPO)
    assert loss == pytest.approx((0.455492 + 0.849077) / 2, abs=1e-5)
    # d loss / d margin: -.5 * (1 - .634136) = -.182932; .5 * (-.75 * .622459 + .25 * .377541) = -.186229; halved over 2 pairs
    expected = torch.tensor([[-0.091466] * 3, [-0.093115, 0, 0], [0.091466, 0.091466, 0], [0.093115, 0.093115, 0]])
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=0)
    means = token_means(sums)
    assert means["pair_loss"] == pytest.approx(loss)
    assert means["pair_accuracy"] == 0.5
    assert means["pair_margin"] == pytest.approx(0.05, abs=1e-6)
    assert means["pair_chosen"] == pytest.approx((0.6 - 0.4) / 2, abs=1e-6)
    assert means["pair_rejected"] == pytest.approx((-0.5 + 0.6) / 2, abs=1e-6)
    assert (means["pairs"], means["tokens"], means["sequences"]) == (2, 8, 4)
    assert means["log_ratio"] == pytest.approx((0.6 - 0.4 - 0.5 + 0.6) / 8, abs=1e-6)


def test_rebel_by_hand() -> None:
    # (1.1 - .5)^2 = .36, (-1 - 1)^2 = 4; d / d margin = 2 * .6 = 1.2 and -4
    loss, gradient, _ = run(REBEL)
    assert loss == pytest.approx(2.18, abs=1e-5)
    expected = torch.tensor([[0.6] * 3, [-2, 0, 0], [-0.6, -0.6, 0], [2, 2, 0]])
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=0)


def test_prdp_by_hand() -> None:
    # cut at .15: row 0 .1 + .15 + .15 = .4, row 1 -.15, row 2 -.15 - .15 = -.3, row 3 .15 + .1 = .25
    # margins .7 and -.4; errors (.2^2, 1.4^2) against the free (.6^2, 2^2): the free ones are larger
    loss, _, sums = run(PRDP)
    assert loss == pytest.approx(2.18, abs=1e-5)
    assert sums["pair_clipped"] == 0
    # target 3: free (1.1 - 3)^2 = 3.61, cut (.7 - 3)^2 = 5.29, whose gradient runs through the one token that is not cut
    loss, gradient, sums = run(PRDP, target=torch.tensor([3.0, -1.0]))
    # pair 1: free (-1 + 1)^2 = 0, cut (-.4 + 1)^2 = .36, of margin -.15 - .25 with the token of .1 free
    assert loss == pytest.approx((5.29 + 0.36) / 2, abs=1e-5)
    assert sums["pair_clipped"] == 2
    expected = torch.tensor([[-2.3, 0, 0], [0, 0, 0], [0, 0, 0], [0, -0.6, 0]])
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=0)


def test_prdp_cuts_around_old_and_compares_with_the_reference() -> None:
    # old is .2 over ref everywhere: new - old = MOVED - .2, cut to +-.15, plus .2 a token
    # row 0: .1 + .2 + .3 = .6; row 1: .05; row 2: .05 + .05 = .1; row 3: .35 + .1 = .45; margins .5, -.4
    loss, _, sums = run(PRDP, old_BT=REF + 0.2, target=torch.tensor([2.0, -1.0]))
    assert loss == pytest.approx(((0.5 - 2) ** 2 + 0.6**2) / 2, abs=1e-5)  # over (1.1 - 2)^2 and 0
    assert sums["pair_clipped"] == 2


def test_without_smoothing_dpo_at_the_reference_is_log_2() -> None:
    loss, gradient, sums = run(DPO, new=REF)
    assert loss == pytest.approx(math.log(2))
    assert sums["pair_accuracy"] == 0
    # -(1 - eps) * .5 * beta + eps * .5 * beta: -.25 and -.125, halved
    torch.testing.assert_close(gradient[:2, 0], torch.tensor([-0.125, -0.0625]))


@given(st.floats(-20, 20), st.floats(0, 0.5))
def test_conservative_dpo_is_least_where_the_odds_are_those_of_the_smoothing(margin: float, eps: float) -> None:
    def loss(m: float) -> float:
        new = torch.tensor([[m], [0.0]], dtype=torch.float64)
        of = {"mask": torch.ones(2, 1), "target": torch.tensor([0.0]), "smoothing": torch.tensor([eps])}
        return run(Objective(name="dpo", beta=1.0), new=new, ref_BT=torch.zeros(2, 1), old_BT=None, **of)[0]

    if eps > 1e-3:
        assert loss(math.log((1 - eps) / eps)) <= loss(margin) + 1e-5


@EVERY
def test_masked_positions_are_never_read(objective: Objective) -> None:
    nan = torch.full_like(NEW, math.nan)
    spoiled = {n: torch.where(MASK.bool(), g, nan) for n, g in {"old_BT": REF, "ref_BT": REF}.items()}
    clean, clean_gradient, _ = run(objective)
    loss, gradient, _ = run(objective, new=torch.where(MASK.bool(), NEW, nan), **spoiled)
    assert loss == clean
    assert torch.equal(gradient, clean_gradient)


@EVERY
def test_no_pair_gives_0_and_runs_backward(objective: Objective) -> None:
    nan = torch.full((2,), math.nan)
    none = {"mask": MASK * 0, "is_pair": torch.zeros(2, dtype=torch.bool), "denominator": 0.0}
    loss, gradient, sums = run(objective, **none)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(NEW))
    assert sums["pairs"] == 0
    assert token_means(sums) == {}
    assert math.isnan(run(REBEL, target=nan)[0])  # a missing target is refused before, not taken as 0


@EVERY
def test_micro_batches_add_up(objective: Objective) -> None:
    whole, whole_gradient, _ = run(objective)
    total, gradient = 0.0, torch.zeros_like(NEW)
    for pair in (0, 1):
        rows = [pair, pair + 2]
        part = {"mask": MASK[rows], "target": TARGET[[pair]], "smoothing": SMOOTHING[[pair]], "denominator": 2.0}
        loss, own, _ = run(objective, new=NEW[rows], old_BT=REF[rows], ref_BT=REF[rows], **part)
        total += loss
        gradient[rows] = own
    assert total == pytest.approx(whole, abs=1e-6)
    torch.testing.assert_close(gradient, whole_gradient)


def test_weights_multiply_and_leave_n() -> None:
    loss, _, _ = run(REBEL, weights_P=torch.tensor([0.5, 2.0]))
    assert loss == pytest.approx((0.5 * 0.36 + 2 * 4) / 2, abs=1e-5)
    assert run(REBEL, world_size=2)[0] == pytest.approx(2 * 2.18, abs=1e-5)


def test_a_grid_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="give ref_BT"):
        run(DPO, ref_BT=None)
    with pytest.raises(ValueError, match="give old_BT"):
        run(REBEL, old_BT=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "dpo"}, "objective dpo needs beta: above 0"),
        ({"name": "rebel", "beta": 0.1}, "beta is read by objective dro or dpo only"),
        ({"name": "prdp"}, "objective prdp needs log_clip: above 0, in nats"),
        ({"name": "prdp", "log_clip": 0.0}, "log_clip is 0.0"),
        ({"log_clip": 0.1}, "log_clip is read by objective prdp only"),
        ({"from_first_difference": True}, "compares the two sides of a pair: leave it out for grpo"),
        ({"name": "rebel", "kl_coef": 0.1}, "objective rebel holds to its reference itself: leave kl_coef out"),
        ({"name": "rebel", "aggregation": "sequence_mean"}, "is a mean over pairs: leave aggregation out"),
        ({"name": "rebel", "self_normalised": True}, "leave self_normalised out"),
        ({"name": "rebel", "mask_delta": 0.1}, "leave mask_delta out"),
        ({"name": "dpo", "beta": 0.1, "clip_high": 0.1}, "objective dpo has no clip"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Objective(**settings)


def test_what_each_objective_reads() -> None:
    assert [(o.needs_old, o.needs_reference) for o in (DPO, REBEL, PRDP)] == [
        (False, True),
        (True, False),
        (True, True),
    ]


# --- the installed TRL ------------------------------------------------------------------------------------------------


def unchanged(values: torch.Tensor) -> torch.Tensor:
    return values


def by_trl(loss_type: str, rows: list[int], beta: float, smoothing: float) -> tuple[float, torch.Tensor]:
    """Return loss and gradient of the installed TRL's own DPOTrainer._compute_loss, with our log-probs put in."""
    from trl import DPOTrainer

    mask = MASK[rows].bool()
    new = NEW[rows].clone().requires_grad_()
    ref = (REF[rows] * mask).sum(-1)
    zeros = torch.zeros_like(new)
    outputs = SimpleNamespace(
        log_probs=new * mask,
        entropy=zeros,
        mean_logits=zeros,
        is_top1=zeros.bool(),
    )
    stub = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(device="cpu", gather=unchanged, gather_for_metrics=unchanged),
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=beta,
        label_smoothing=smoothing,
        use_weighting=False,
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
    )
    chosen, rejected = ref.chunk(2)
    inputs = {
        "input_ids": torch.zeros(len(rows), 4, dtype=torch.long),
        "attention_mask": torch.ones(len(rows), 4),
        "completion_mask": torch.nn.functional.pad(mask.long(), (1, 0)),
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
    }
    loss = DPOTrainer._compute_loss(stub, lambda **_: outputs, inputs, return_outputs=False)
    loss.backward()
    assert new.grad is not None
    return float(loss.detach()), new.grad


def test_equals_the_installed_trl() -> None:
    """Loss and gradient are those of the installed TRL's DPOTrainer (1.16.0 when written), loss_type sigmoid."""
    pytest.importorskip("trl", reason="TRL is a development dependency")
    loss, gradient, _ = run(DPO, smoothing=torch.zeros(2))
    expected, expected_gradient = by_trl("sigmoid", [0, 1, 2, 3], 0.5, 0.0)
    assert loss == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-6, rtol=0)


@pytest.mark.parametrize("smoothing", [0.1, 0.25, 0.5])
def test_smoothing_equals_the_installed_trl(smoothing: float) -> None:
    """TRL 1.16.0 has no smoothing in loss_type sigmoid; its aot is conservative DPO on a batch of one pair, as it sorts."""
    pytest.importorskip("trl", reason="TRL is a development dependency")
    loss, gradient, _ = run(DPO, smoothing=torch.full((2,), smoothing))
    both = [by_trl("aot", rows, 0.5, smoothing) for rows in ([0, 2], [1, 3])]
    assert loss == pytest.approx(sum(value for value, _ in both) / 2, abs=1e-6)
    for (_, expected), rows in zip(both, ([0, 2], [1, 3]), strict=True):
        torch.testing.assert_close(gradient[rows], expected / 2, atol=1e-6, rtol=0)


# --- pairs beside rows ------------------------------------------------------------------------------------------------


def rows() -> Rows:
    """Four rows of one prompt [7, 8]: [1, 2, 3], [1, 2, 4, 5], [1, 2], [9]; the second token of the first is untrained."""
    return Rows(
        prompt_tokens=np.array([7, 8], np.int32),
        prompt_starts=np.array([0, 2]),
        prompt_of=np.zeros(4, np.int64),
        tokens=np.array([1, 2, 3, 1, 2, 4, 5, 1, 2, 9], np.int32),
        starts=np.array([0, 3, 7, 9, 10]),
        is_trained=np.array([1, 0, 1, 1, 1, 1, 1, 1, 1, 1], np.bool_),
        behaviour=np.full(10, np.nan, np.float32),
        advantage=np.ones(4, np.float32),
        token_advantages=None,
        weight=np.ones(4, np.float32),
        temperature=np.ones(4, np.float32),
        group_id=np.zeros(4, np.int64),
        is_own=np.zeros(4, np.bool_),
    )


def pairs(shared: NDArray[np.int64] | None = None) -> Pairs:
    chosen, rejected = np.array([0, 2, 3]), np.array([1, 1, 0])
    return Pairs(
        chosen,
        rejected,
        target=np.array([1, np.nan, 2], np.float32),
        smoothing=np.array([0, 0.1, 0], np.float32),
        shared=np.zeros(3, np.int64) if shared is None else shared,
    )


def test_shared_tokens_are_those_before_the_first_difference() -> None:
    made = pairs()
    assert shared_prefix(rows(), made.chosen, made.rejected).tolist() == [2, 2, 0]  # [1, 2] is the start of the other


def test_trained_tokens_of_a_pair_are_both_sides_without_what_is_left_out() -> None:
    assert pairs().n_trained(rows()).tolist() == [2 + 4, 2 + 4, 1 + 2]
    assert pairs(np.array([2, 2, 0])).n_trained(rows()).tolist() == [1 + 2, 0 + 2, 1 + 2]
    assert pairs().both(rows().total_lengths).tolist() == [5 + 6, 4 + 6, 3 + 5]


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_batch_holds_the_chosen_rows_then_the_rejected(is_packed: bool) -> None:
    batch = PairCollator(Collator(rows(), is_packed=is_packed), pairs())([0, 2])
    assert batch["row"].tolist() == [0, 3, 1, 0]
    assert batch["target"].tolist() == [1, 2]
    assert batch["is_pair"].tolist() == [True, True]
    assert batch["mask"].tolist() == [[1, 0, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]]


def test_a_step_pair_masks_what_both_sides_begin_with() -> None:
    batch = PairCollator(Collator(rows()), pairs(np.array([2, 2, 0])))([0, 1])
    assert batch["row"].tolist() == [0, 2, 1, 1]
    assert batch["mask"].tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert batch["smoothing"].tolist() == pytest.approx([0, 0.1])


def test_no_pair_gives_one_that_is_masked_whole() -> None:
    batch = PairCollator(Collator(rows()), pairs())([])
    assert not batch["mask"].any()
    assert batch["is_pair"].tolist() == [False]
    assert (batch["row"] == -1).all()
