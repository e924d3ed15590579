"""The three aggregations: numbers by hand, and the same gradient however rows are split over micro-batches and ranks."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curate.training.aggregate import aggregate, share_of_n, trained_mask
from curate.training.objective import Objective

LOSS = torch.tensor([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 0.0, 0.0], [5.0, 5.0, 5.0, 5.0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
WEIGHTS = torch.tensor([1.0, 0.5, 7.0])
SETTINGS: list[dict[str, Any]] = [
    {"aggregation": "token_mean"},
    {"aggregation": "sequence_mean"},
    {"aggregation": "constant", "max_length": 10},
]


def whole(objective: Objective, weights: torch.Tensor | None = None) -> tuple[float, float]:
    """Return N and the loss of one micro-batch that is the whole optimiser step."""
    n = share_of_n(objective, MASK, weights_B=weights)
    return n, float(aggregate(objective, LOSS, MASK.bool(), denominator=n, weights_B=weights))


@pytest.mark.parametrize(
    ("settings", "n", "plain", "n_weighted", "weighted", "normalised"),
    [
        (SETTINGS[0], 5.0, 20 / 5, 4.5, 15 / 5, 15 / 4.5),
        (SETTINGS[1], 2.0, 12.5 / 2, 1.5, 7.5 / 2, 7.5 / 1.5),
        (SETTINGS[2], 20.0, 20 / 20, 15.0, 15 / 20, 15 / 15),
    ],
)
def test_by_hand(
    settings: dict[str, Any], n: float, plain: float, n_weighted: float, weighted: float, normalised: float
) -> None:
    assert whole(Objective(**settings)) == pytest.approx((n, plain))
    assert whole(Objective(**settings), WEIGHTS) == pytest.approx((n, weighted))
    assert whole(Objective(**settings, self_normalised=True), WEIGHTS) == pytest.approx((n_weighted, normalised))


@pytest.mark.parametrize("settings", SETTINGS)
def test_self_normalised_with_weights_of_1_changes_nothing(settings: dict[str, Any]) -> None:
    ones = torch.ones(3)
    plain = whole(Objective(**settings))
    assert whole(Objective(**settings, self_normalised=True), ones) == plain
    assert whole(Objective(**settings, self_normalised=True)) == plain


@st.composite
def splits(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Draw 8 rows cut into micro-batches, dealt to 1, 2 or 4 ranks."""
    order = draw(st.permutations(range(8)))
    cuts = sorted(draw(st.sets(st.integers(1, 7))))
    parts = [list(order[i:j]) for i, j in zip([0, *cuts], [*cuts, 8], strict=True)]
    return parts, draw(st.sampled_from([1, 2, 4]))


@pytest.mark.parametrize("is_normalised", [False, True])
@pytest.mark.parametrize("settings", SETTINGS)
@given(split=splits(), seed=st.integers(0, 99))
def test_every_split_has_the_same_gradient(
    settings: dict[str, Any], is_normalised: bool, split: tuple[list[list[int]], int], seed: int
) -> None:
    parts, world_size = split
    objective = Objective(**settings, self_normalised=is_normalised)
    generator = torch.Generator().manual_seed(seed)
    loss = torch.randn(8, 5, generator=generator)
    mask, weights = torch.rand(8, 5, generator=generator) < 0.6, torch.rand(8, generator=generator)

    def gradient(rows_of: list[list[int]], world_size: int) -> torch.Tensor:
        x = loss.clone().requires_grad_()
        n = sum(share_of_n(objective, mask[rows], weights_B=weights[rows]) for rows in rows_of)
        for rows in rows_of:  # ranks average what their micro-batches added up
            settings = {"denominator": n, "world_size": world_size, "weights_B": weights[rows]}
            (aggregate(objective, x[rows], mask[rows], **settings) / world_size).backward()
        assert x.grad is not None
        return x.grad

    torch.testing.assert_close(gradient(parts, world_size), gradient([list(range(8))], 1), atol=1e-6, rtol=1e-5)


def test_an_empty_step_has_a_denominator_of_0_and_a_loss_of_0() -> None:
    x = LOSS.clone().requires_grad_()
    for settings in SETTINGS:
        objective = Objective(**settings)
        assert share_of_n(objective, MASK * 0) == 0.0
        loss = aggregate(objective, x, MASK.bool() & False, denominator=0.0, weights_B=WEIGHTS)
        loss.backward()
        assert float(loss.detach()) == 0.0
    assert x.grad is not None
    assert float(x.grad.abs().sum()) == 0.0


def test_a_masked_importance_weight_leaves_the_mask_only_where_both_log_probs_are_known() -> None:
    objective = Objective(importance="masked", importance_cap=2.0)
    old = torch.zeros(3, 4)
    behaviour = torch.tensor([-0.6, -0.7, 0.5, float("nan")]).expand(3, 4)  # weights 1.8, 2.01, .6, unknown
    assert trained_mask(objective, MASK, old, behaviour)[0].tolist() == [True, False, True, False]
    assert trained_mask(objective, MASK, old, None)[0].tolist() == [True] * 4
    assert trained_mask(Objective(), MASK, old, behaviour)[0].tolist() == [True] * 4
