"""Robust weights: numbers by hand, laws, and a brute-force search for the worst distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.reweighting.robust import Robust, chi_square_ball, cvar, failure_rates, group_dro, group_invariant, kl_ball

Weigh = Callable[[Any], Robust]
EVERY: dict[str, Weigh] = {
    "kl": lambda losses: kl_ball(losses, 0.2),
    "kl, large": lambda losses: kl_ball(losses, 100.0),
    "cvar": lambda losses: cvar(losses, 0.4),
    "cvar, small": lambda losses: cvar(losses, 1e-6),
    "chi": lambda losses: chi_square_ball(losses, 0.3),
    "chi, large": lambda losses: chi_square_ball(losses, 100.0),
    "group_dro": lambda losses: group_dro(losses),
    "group_invariant": lambda losses: group_invariant(losses, eta=2.0),
}
each = pytest.mark.parametrize("weigh", EVERY.values(), ids=EVERY)
rates = st.integers(0, 32).map(lambda n: n / 32)
many = st.lists(rates, min_size=1, max_size=12)


def weights(made: Robust) -> list[float]:
    return made.weights.tolist()


def test_failure_rates_keep_what_is_unknown() -> None:
    got = failure_rates([3, 0, 0, np.nan], [4, 4, 0, 4])
    assert got[:2].tolist() == [0.25, 1.0]
    assert np.isnan(got[2:]).all()


def test_kl_ball_by_hand() -> None:
    # losses 0 and 1, w = (2/(1+e), 2e/(1+e)) at lambda 1: .53788, 1.46212; mean(w log w) = (-.33355 + .55545) / 2 = .11095
    rho = (0.5378828 * math.log(0.5378828) + 1.4621172 * math.log(1.4621172)) / 2
    assert rho == pytest.approx(0.11095, abs=1e-5)
    assert weights(kl_ball([0.0, 1.0], rho)) == pytest.approx([0.5378828, 1.4621172], abs=1e-6)
    assert weights(kl_ball([0.0, 1.0, 1.0], math.log(3 / 2))) == pytest.approx([0, 1.5, 1.5])


def test_cvar_by_hand() -> None:
    # the worst 40 % of five groups: two of weight 1 / .4
    assert weights(cvar([0.1, 0.9, 0.5, 0.7, 0.3], 0.4)) == pytest.approx([0, 2.5, 0, 2.5, 0])
    # half of three: 1 / .5 for the worst, the other 1 shared by the two of one loss
    assert weights(cvar([0.5, 1.0, 0.5], 0.5)) == pytest.approx([0.5, 2, 0.5])
    assert weights(cvar([0.0, 1.0, 0.5], 1 / 3)) == pytest.approx([0, 3, 0])


def test_chi_square_ball_by_hand() -> None:
    # mean .5, std .5: 1 + sqrt(2 * .125) * (-1, 1) = .5, 1.5, and mean((w - 1)^2) / 2 = .125
    assert weights(chi_square_ball([0.0, 1.0], 0.125)) == pytest.approx([0.5, 1.5])
    # the first is cut at 0: w = 3 (loss - eta)_+ / sum, (0, 1, 2) for eta = 0, mean((w - 1)^2) / 2 = (1 + 0 + 1) / 6
    assert weights(chi_square_ball([0.0, 0.5, 1.0], 1 / 3)) == pytest.approx([0, 1, 2], abs=1e-6)
    # eta = .25: (0, .25, .75) * 3 -> (0, .75, 2.25); (1 + .0625 + 1.5625) / 6 = .4375
    assert weights(chi_square_ball([0.0, 0.5, 1.0], 0.4375)) == pytest.approx([0, 0.75, 2.25])


def test_group_dro_by_hand() -> None:
    # exp(0), exp(.1): 2 / (1 + 1.105171) = .950042 and 1.049958
    assert weights(group_dro([0.0, 1.0])) == pytest.approx([0.950042, 1.049958], abs=1e-6)
    # domain a: mean loss .25 of two groups, b: 1 of one; exp(.25), exp(1) = 1.284025, 2.718282; mean 1.762111
    got = group_dro([0.5, 1.0, 0.0], ["a", "b", "a"], eta=1.0)
    assert weights(got) == pytest.approx([0.728686, 1.542628, 0.728686], abs=1e-6)


def test_group_invariant_by_hand() -> None:
    # median .5: hard (.75, 1.0) with mean .875, easy (0, .25) with mean .125; exp(.875), exp(.125) = 2.398875, 1.133148; mean 1.766012
    got = group_invariant([0.0, 1.0, 0.25, 0.75], eta=1.0)
    assert weights(got) == pytest.approx([0.641643, 1.358357, 0.641643, 1.358357], abs=1e-6)
    # 1 / w = 1.558499, .736184; mean 1.147342
    assert got.kl_scale is not None
    assert got.kl_scale.tolist() == pytest.approx([1.358357, 0.641643, 1.358357, 0.641643], abs=1e-6)
    by_domain = group_invariant([0.5, 1.0, 0.0, 0.3], ["a", "b", "a", None], eta=1.0)
    assert weights(by_domain) == pytest.approx([0.728686, 1.542628, 0.728686, 1], abs=1e-6)
    assert by_domain.kl_scale is not None
    assert by_domain.kl_scale[3] == 1
    assert by_domain.kl_scale[:3].mean() == pytest.approx(1)


def test_group_invariant_stays_finite_where_a_weight_underflows() -> None:
    got = group_invariant([0.25, 0.75], eta=5000.0)
    assert weights(got) == [0.0, 2.0]
    assert got.kl_scale is not None
    assert got.kl_scale.tolist() == [2.0, 0.0]


@each
@pytest.mark.parametrize("losses", [[], [0.3], [0.5] * 4, [1.0, 1.0], [np.nan], [np.nan, 0.2, np.nan]])
def test_nothing_to_compare_gives_ones(weigh: Weigh, losses: list[float]) -> None:
    made = weigh(losses)
    assert weights(made) == [1.0] * len(losses)
    assert made.n_unknown == sum(map(math.isnan, losses))
    assert made.effective_groups == len(losses)


@each
def test_an_unknown_loss_weighs_1_and_changes_no_other(weigh: Weigh) -> None:
    known, mixed = weigh([0.1, 0.5, 0.9]), weigh([0.1, np.nan, 0.5, 0.9])
    assert weights(mixed) == [known.weights[0], 1, known.weights[1], known.weights[2]]
    assert (known.n_unknown, mixed.n_unknown) == (0, 1)


@each
@given(losses=many)
def test_weights_are_not_negative_have_mean_1_and_grow_with_the_loss(weigh: Weigh, losses: list[float]) -> None:
    got = weigh(losses).weights
    assert got.min() >= 0
    assert got.mean() == pytest.approx(1)
    order = np.argsort(losses)
    assert (np.diff(got[order]) >= -1e-9).all()
    for loss in set(losses):
        assert np.ptp(got[np.array(losses) == loss]) < 1e-9


@each
@given(losses=many)
def test_permuting_the_groups_permutes_the_weights(weigh: Weigh, losses: list[float]) -> None:
    back = weigh(losses[::-1]).weights[::-1]
    np.testing.assert_allclose(weigh(losses).weights, back, atol=1e-9)


@given(many)
def test_no_radius_is_no_change(losses: list[float]) -> None:
    ones = np.ones(len(losses))
    for made in (kl_ball(losses, 0.0), cvar(losses, 1.0), chi_square_ball(losses, 0.0), group_dro(losses, eta=0.0)):
        np.testing.assert_allclose(made.weights, ones, atol=1e-12)
    np.testing.assert_allclose(kl_ball(losses, 1e-12).weights, ones, atol=1e-4)
    np.testing.assert_allclose(chi_square_ball(losses, 1e-12).weights, ones, atol=1e-4)


@given(many, st.floats(1e-4, 3))
def test_the_balls_are_filled_and_not_left(losses: list[float], rho: float) -> None:
    assume(len(set(losses)) > 1)
    n_worst = losses.count(max(losses))
    kl, chi = kl_ball(losses, rho).weights, chi_square_ball(losses, rho).weights
    spent = np.mean(np.where(kl > 0, kl * np.log(np.where(kl > 0, kl, 1)), 0))
    assert spent == pytest.approx(min(rho, math.log(len(losses) / n_worst)), abs=1e-7)
    assert np.mean((chi - 1) ** 2) / 2 == pytest.approx(min(rho, (len(losses) / n_worst - 1) / 2), abs=1e-7)


def simplex(n: int, cells: int) -> np.ndarray[Any, Any]:
    """Return every distribution over n whose shares are multiples of 1 / cells, times n: all weights of mean 1."""
    grid = [(*head, cells - sum(head)) for head in product(range(cells + 1), repeat=n - 1) if sum(head) <= cells]
    return np.array(grid) * n / cells


ALLOWED: dict[str, tuple[Weigh, Callable[[Any], Any]]] = {
    "kl": (EVERY["kl"], lambda w: np.mean(w * np.log(np.where(w > 0, w, 1)), -1) <= 0.2 + 1e-9),
    "cvar": (EVERY["cvar"], lambda w: w.max(-1) <= 1 / 0.4 + 1e-12),
    "chi": (EVERY["chi"], lambda w: np.mean((w - 1) ** 2, -1) / 2 <= 0.3 + 1e-9),
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize(
    "losses", [[0.0, 0.5, 1.0], [0.2, 0.2, 0.9], [0.1, 0.8, 0.8], [0.0, 0.3, 0.6, 1.0], [0.9, 0.85, 0.1, 0.8]]
)
def test_no_distribution_of_a_grid_is_worse(name: str, losses: list[float]) -> None:
    weigh, is_allowed = ALLOWED[name]
    grid = simplex(len(losses), 200 if len(losses) == 3 else 60)
    worst = (grid[is_allowed(grid)] @ losses).max() / len(losses)
    ours = weigh(losses).weights
    assert is_allowed(ours)
    assert ours @ losses / len(losses) >= worst - 1e-9
    assert ours @ losses / len(losses) <= worst + 0.02  # the grid is coarse


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_ball([0.1], -1.0), "rho is -1.0"),
        (lambda: kl_ball([0.1], float("nan")), "rho is nan"),
        (lambda: chi_square_ball([0.1], math.inf), "rho is inf"),
        (lambda: cvar([0.1], 0.0), "alpha is 0.0: it must be above 0, up to 1"),
        (lambda: cvar([0.1], 1.5), "alpha is 1.5"),
        (lambda: group_dro([0.1], eta=-0.1), "eta is -0.1"),
        (lambda: group_dro([0.1, 0.2], ["a"]), "2 losses and 1 domains"),
        (lambda: kl_ball([math.inf], 0.1), "one finite number a group"),
        (lambda: kl_ball([[0.1]], 0.1), "one finite number a group"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], Robust], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()
