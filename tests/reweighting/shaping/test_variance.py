import math
import random
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ConfigError
from curate.reweighting import recipes, reweight
from curate.reweighting.shaping import variance_increase
from curate.reweighting.shaping.variance import spread_out
from group_case import group, outcomes, reasons, shaped

PUBLISHED = [0.9, 0.8, 0.75, 0.7, 0.6, 0.4, 0.3, 0.1]


def spread(values: list[float], mass: list[float] | None = None) -> list[float]:
    frame = pl.DataFrame({"v": values, "p": mass or [1.0] * len(values)})
    return frame.select(z=spread_out(pl.col("v"), pl.col("p") if mass else None))["z"].to_list()


def blocks(values: list[float], mass: list[float]) -> list[tuple[float, float]]:
    """Return (value, mass) of each block of equal values, best first."""
    return [
        (value, math.fsum(p for v, p in zip(values, mass, strict=True) if v == value))
        for value in sorted(set(values), reverse=True)
    ]


def enumerated(values: list[float], mass: list[float]) -> float:
    """Return the largest sum p z^2 over all (1 x k, a x (l - k), 0 x (n - l)) of the mean of ``values``."""
    found = blocks(values, mass)
    total = math.fsum(v * p for v, p in zip(values, mass, strict=True))
    best = -1.0
    for k in range(len(found) + 1):
        for last in range(k, len(found) + 1):
            top = math.fsum(p for _, p in found[:k])
            middle = math.fsum(p for _, p in found[k:last])
            a = (total - top) / middle if middle > 0 else 0.0
            feasible = (0 <= a <= 1) if middle > 0 else abs(total - top) < 1e-12
            if feasible:
                best = max(best, top + a * a * middle)
    return best


def test_the_published_example() -> None:
    assert spread(PUBLISHED) == pytest.approx([1, 1, 1, 1, 0.55, 0, 0, 0], abs=1e-12)
    shuffled = [0.1, 0.75, 0.6, 0.9, 0.3, 0.7, 0.4, 0.8]
    assert spread(shuffled) == pytest.approx([0, 1, 0.55, 1, 0, 1, 0, 1], abs=1e-12)
    frame = group(PUBLISHED, outcome=outcomes("cccciiii"))
    assert reweight(frame, recipes.grpovi())["shaped"].to_list() == pytest.approx(spread(PUBLISHED), abs=1e-15)


def test_equal_rewards_share_what_is_left_of_the_mean() -> None:
    # sum 2.0: 1 for the best, the block of three gets (2 - 1) / 3 each
    assert spread([0.8, 0.4, 0.4, 0.4]) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3], abs=1e-15)


def test_mass_decides_who_gets_how_much() -> None:
    # p = .5, .25, .25; mean .5 * .8 + .25 * .4 + 0 = .5: exactly the mass of the best
    assert spread([0.8, 0.4, 0.0], [0.5, 0.25, 0.25]) == pytest.approx([1, 0, 0], abs=1e-15)
    # p = .2, .4, .4: mean .2 * .8 + .4 * .4 = .32; .2 for the best, .12 / .4 = .3 for the next
    assert spread([0.8, 0.4, 0.0], [0.2, 0.4, 0.4]) == pytest.approx([1, 0.3, 0], abs=1e-15)
    # the same up to a factor
    assert spread([0.8, 0.4, 0.0], [2, 4, 4]) == pytest.approx([1, 0.3, 0], abs=1e-15)


@pytest.mark.parametrize("is_uniform", [True, False])
def test_the_optimum_of_all_enumerated_ones(is_uniform: bool) -> None:
    rng = random.Random(250523247)
    for _ in range(500):
        size = rng.randint(2, 7)
        values = [rng.choice([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 1.0, round(rng.random(), 2)]) for _ in range(size)]
        if len(set(values)) == 1:
            continue
        mass = [1 / size] * size if is_uniform else [rng.random() ** 4 for _ in range(size)]
        found = spread(values, None if is_uniform else mass)
        squares = math.fsum(p * z * z for p, z in zip(mass, found, strict=True))
        assert squares == pytest.approx(enumerated(values, mass), abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=2, max_size=9),
    st.lists(st.floats(0, 1), min_size=9, max_size=9),
)
def test_no_other_rewards_of_that_mean_and_order_are_farther_apart(
    rows: list[tuple[float, float]], others: list[float]
) -> None:
    values, mass = [round(v, 3) for v, _ in rows], [p for _, p in rows]
    if max(values) == min(values):
        return
    found = spread(values, mass)
    assert all(0 <= z <= 1 for z in found)
    total = math.fsum(p * v for p, v in zip(mass, values, strict=True))
    assert math.fsum(p * z for p, z in zip(mass, found, strict=True)) == pytest.approx(total, abs=1e-9)
    in_order = sorted(zip(values, found, strict=True))
    assert all(z <= after + 1e-12 for (_, z), (_, after) in pairwise(in_order))
    # Any monotone values in [0, 1], mixed with a constant 0 or 1 until they have the mean: no larger sum of squares.
    ranks = sorted(set(values))
    rival = [sorted(others)[ranks.index(v)] for v in values]
    mean, everything = math.fsum(p * r for p, r in zip(mass, rival, strict=True)), math.fsum(mass)
    end = 1.0 if mean < total else 0.0
    share = (total - mean) / (end * everything - mean) if end * everything != mean else 0.0
    mixed = [r + share * (end - r) for r in rival]
    best = math.fsum(p * z * z for p, z in zip(mass, found, strict=True))
    assert math.fsum(p * r * r for p, r in zip(mass, mixed, strict=True)) <= best + 1e-9


def test_rewards_at_the_bounds_do_not_change() -> None:
    for rewards in ([1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0]):
        assert shaped(group(rewards), variance_increase()) == rewards
        logprobs = {"sum_logprob": [-float(i) for i in range(len(rewards))]}
        assert shaped(group(rewards, **logprobs), variance_increase(probability="reference")) == rewards


def test_reference_probabilities_are_normalised_in_the_group() -> None:
    # p ~ e^0, e^-log 2, e^-log 2 = .5, .25, .25 whatever is added to all log-probs
    for offset in (0.0, -800.0):
        frame = group(
            [0.8, 0.4, 0.0],
            outcome=outcomes("cii"),
            sum_logprob=[offset, offset - math.log(2), offset - math.log(2)],
        )
        assert shaped(frame, variance_increase(probability="reference")) == [1.0, 0.0, 0.0]


def test_a_sample_whose_probability_underflows_takes_part() -> None:
    frame = group([0.8, 0.4, 0.0], outcome=outcomes("cii"), sum_logprob=[-1.0, -2000.0, -1.0])
    found = shaped(frame, variance_increase(probability="reference"))
    # mean .4: the best has mass .5 and gets .8, the others nothing
    assert found == [0.8, 0.0, 0.0]


def test_other_bounds() -> None:
    # [-1, 1]: u = .75, .5, .25, sum 1.5 -> 1, .5, 0 -> 1, 0, -1
    frame = group([0.5, 0.0, -0.5], outcome=outcomes("cii"))
    assert shaped(frame, variance_increase(low=-1)) == [1.0, 0.0, -1.0]


def test_a_uniform_group_and_one_outside_the_bounds_keep_their_rewards() -> None:
    assert shaped(group([0.4, 0.4], outcome=outcomes("ci")), variance_increase()) == [0.4, 0.4]
    assert shaped(group([1.5, 0.4], outcome=outcomes("ci")), variance_increase()) == [1.5, 0.4]
    with pytest.raises(ConfigError, match="non_negative"):
        shaped(group([0.5, -0.5], outcome=outcomes("ci")), variance_increase())
    with pytest.raises(ConfigError, match="low must be below high"):
        variance_increase(low=1, high=1)


def test_a_null_has_no_mass_and_a_missing_likelihood_leaves() -> None:
    frame = group([0.8, None, 0.4, 0.0], outcome=outcomes("c-ii"), sum_logprob=[-1.0, -1.0, None, -1.0])
    assert reasons(frame, variance_increase(probability="reference")) == [None, "unjudged", "no_likelihood", None]
    assert shaped(frame, variance_increase(probability="reference")) == [0.8, None, None, 0.0]
    assert shaped(frame, variance_increase()) == [1.0, None, 0.2, 0.0]
