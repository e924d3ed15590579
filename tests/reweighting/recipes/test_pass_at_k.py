"""passk and grpo_passk: the published table, limits, and groups that cannot have a pass@k."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from curate.errors import ConfigError
from curate.reweighting import recipes
from curate.reweighting.apply import reweight


def group(rewards: list[float | None], **columns: Any) -> pl.DataFrame:
    keys = {"group_id": [7] * len(rewards), "sample_index": range(len(rewards))}
    return pl.DataFrame({**keys, "reward": pl.Series(rewards, dtype=pl.Float64), **columns})


def advantages(c: int, size: int, **parameters: Any) -> list[float]:
    found = reweight(group([1.0] * c + [0.0] * (size - c)), recipes.passk(**parameters, keep_groups="all"))
    return found["advantage"].to_list()


# G = 8, k = 4, of the paper. By hand for c = 2: C(6,4)/C(8,4) = 15/70, s = sqrt(15/70 * 55/70) = .4103,
# A+ = .2143/.4103 = .522; C(5,3)/C(7,3) = 10/35, A- = (.2143 - .2857)/.4103 = -.174.
TABLE = {1: (1.0, -0.143), 2: (0.522, -0.174), 3: (0.277, -0.166), 4: (0.120, -0.120)}


@pytest.mark.parametrize(("c", "expected"), TABLE.items())
def test_passk_gives_the_table_of_the_paper(c: int, expected: tuple[float, float]) -> None:
    found = advantages(c, 8, k=4)
    assert found[:c] == pytest.approx([expected[0]] * c, abs=5e-4)
    assert found[c:] == pytest.approx([expected[1]] * (8 - c), abs=5e-4)


@pytest.mark.parametrize("c", [0, 5, 6, 7, 8])
def test_passk_gives_exactly_0_where_k_samples_never_or_always_hold_a_success(c: int) -> None:
    assert [str(value) for value in advantages(c, 8, k=4)] == ["0.0"] * 8


def test_a_mixed_group_that_is_solved_for_k_is_kept_at_0() -> None:
    found = reweight(group([1.0] * 5 + [0.0] * 3), recipes.passk(k=4))
    assert found["drop_reason"].to_list() == [None] * 8
    assert found["advantage"].to_list() == [0.0] * 8


def test_passk_of_one_is_grpo_with_the_population_std() -> None:
    # 3 of 10: A+ = sqrt(.7 / .3), A- = -sqrt(.3 / .7)
    assert advantages(3, 10, k=1) == pytest.approx([math.sqrt(7 / 3)] * 3 + [-math.sqrt(3 / 7)] * 7, abs=1e-14)


def test_passk_of_the_whole_group_teaches_nothing_once_one_is_correct() -> None:
    assert advantages(1, 8, k=8) == [0.0] * 8
    assert advantages(1, 8, k=7) == pytest.approx([math.sqrt(1 / 7)] + [-math.sqrt(1 / 7) / 7] * 7, abs=1e-14)


@pytest.mark.parametrize(("c", "size", "k"), [(1, 32, 8), (5, 32, 16), (3, 128, 64), (2, 2048, 1024), (9, 10, 1)])
def test_passk_equals_its_binomials(c: int, size: int, k: int) -> None:
    q = math.comb(size - c, k) / math.comb(size, k)
    s = math.sqrt(q * (1 - q))
    wrong = (q - math.comb(size - c - 1, k - 1) / math.comb(size - 1, k - 1)) / s
    assert advantages(c, size, k=k) == pytest.approx([q / s] * c + [wrong] * (size - c), rel=1e-9)
    assert sum(advantages(c, size, k=k)) == pytest.approx(0, abs=1e-9)


def test_a_group_of_fewer_than_k_judged_samples_is_gated() -> None:
    samples = pl.concat(
        [group([1.0, 0.0, 0.0, None]), group([1.0, 0.0, 0.0, 0.0]).with_columns(group_id=pl.lit(8, pl.Int64))]
    )
    found = reweight(samples, recipes.passk(k=4))
    assert found["drop_reason"].to_list() == ["gated"] * 3 + ["unjudged"] + [None] * 4
    assert found["advantage"].to_list()[4:] == [0.0] * 4
    # k = 3 of three judged: solved as soon as one is correct
    assert reweight(samples, recipes.passk(k=3))["advantage"].to_list()[:4] == [0.0, 0.0, 0.0, None]


@pytest.mark.parametrize("k", [0, -4, 1025])
def test_k_is_from_1_to_1024(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k must be in 1..1024, got {k}"):
        recipes.passk(k=k)


def test_passk_is_for_binary_rewards() -> None:
    signed = group([1.0, -1.0], outcome=["correct", "incorrect"])
    with pytest.raises(ConfigError, match="passk is defined for binary rewards only"):
        reweight(signed, recipes.passk(k=2))


def test_grpo_passk_gives_the_best_sample_its_lead() -> None:
    # one of four: std = 1/2, so 1 / .5 = sqrt(G)
    assert reweight(group([0.0, 1.0, 0.0, 0.0]), recipes.grpo_passk(eps=0))["advantage"].to_list() == [0, 2.0, 0, 0]
    # (2 - .5) / std, std of 2, .5, -1 = 1.5
    outcome = ["incorrect", "correct", None, "incorrect"]
    real = group([0.5, 2.0, None, -1.0], outcome=outcome)
    assert reweight(real, recipes.grpo_passk(eps=0.5))["advantage"].to_list() == [0.0, 0.75, None, 0.0]


def test_two_best_samples_have_no_lead() -> None:
    found = reweight(group([1.0, 1.0, 0.0]), recipes.grpo_passk())
    assert found["advantage"].to_list() == [0.0] * 3
    assert found["drop_reason"].to_list() == [None] * 3
