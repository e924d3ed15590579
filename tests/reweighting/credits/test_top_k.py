"""TW-GRPO's token weights: numbers worked by hand, the oracle in plain Python, ended samples and limits."""

from __future__ import annotations

import math
import random
from typing import Any

import polars as pl
import pytest

from curate.reweighting import recipes
from curate.reweighting.apply import reweight
from curate.reweighting.credits.top_k import WINDOW, Stored, divergences, position_weights

LN2, LN4 = math.log(2), math.log(4)
EVEN = [-LN2, -LN2]
TILTED = [math.log(0.25), math.log(0.75)]
TYPES = {"topk_ids": pl.List(pl.List(pl.Int32)), "topk_logprobs": pl.List(pl.List(pl.Float64))}


def f(d: float) -> float:
    return math.exp(d) - d - 1


def divergence(group: list[Stored], position: int, *, alive_only: bool = False) -> float:
    return float(divergences(group, alive_only=alive_only)[position])


def frame_of(rewards: list[float | None], stored: list[Any]) -> pl.DataFrame:
    rows = [
        {"group_id": 1, "sample_index": i, "reward": reward, "topk_ids": s and s.ids, "topk_logprobs": s and s.logprobs}
        for i, (reward, s) in enumerate(zip(rewards, stored, strict=True))
    ]
    return pl.DataFrame(rows, schema_overrides={"reward": pl.Float64, **TYPES})


def test_divergence_by_hand() -> None:
    # p = (1/2, 1/2) and q = (1/4, 3/4): mean log-probs m1 = (ln 1/2 + ln 1/4)/2, m2 = (ln 1/2 + ln 3/4)/2;
    # d of the first = m - ln p = (-ln 2 / 2, ln 1.5 / 2), of the second the negative
    a, b = LN2 / 2, math.log(1.5) / 2
    expected = (f(-a) + f(b) + f(a) + f(-b)) / 2
    two = [Stored([[5, 6]], [EVEN]), Stored([[5, 6]], [TILTED])]
    assert divergence(two, 0) == pytest.approx(expected)
    swapped = [Stored([[6, 5]], [EVEN]), Stored([[5, 6]], [TILTED])]
    assert divergence(swapped, 0) == pytest.approx(expected)


def test_an_id_outside_a_samples_top_k_shares_what_is_left() -> None:
    # the first stores 5 and 6 with 1/2 and 1/4: 7, which only the second stores, gets the 1/4 that is left
    # the second stores 5 and 7 with 1/2 and 1/4: 6 gets 1/4 as well. Both are (1/2, 1/4, 1/4)
    pair = [Stored([[5, 6]], [[-LN2, -LN4]]), Stored([[5, 7]], [[-LN2, -LN4]])]
    assert divergence(pair, 0) == pytest.approx(0)


def test_the_difference_of_log_probs_is_cut() -> None:
    # one stores log-probs 0 and -100, the other the reverse: d = -50 and 50, cut to -11 and 11
    pair = [Stored([[1, 2]], [[0.0, -100.0]]), Stored([[1, 2]], [[-100.0, 0.0]])]
    assert divergence(pair, 0) == pytest.approx(f(11) + f(-11))


def test_weights_go_from_1_to_alpha() -> None:
    group = [Stored([[5, 6]] * 3, [EVEN, EVEN, EVEN]), Stored([[5, 6]] * 3, [EVEN, TILTED, EVEN])]
    assert position_weights(group, 1.7) == pytest.approx([1.0, 1.7, 1.0])
    assert position_weights(group, 1.0) == [1.0, 1.0, 1.0]
    assert position_weights(group[:1], 1.7) == [1.0, 1.0, 1.0]
    assert position_weights([], 1.7) == []


def test_a_sample_that_has_ended_is_uniform_or_left_out() -> None:
    ragged = [Stored([[5, 6]], [EVEN]), Stored([[5, 6]] * 2, [EVEN, TILTED])]
    # at the second position the first counts as (1/2, 1/2): the divergence is that of the first test
    assert divergence(ragged, 1) == pytest.approx(divergence([ragged[0], Stored([[5, 6]], [TILTED])], 0))
    assert position_weights(ragged, 1.7) == pytest.approx([1.0, 1.7])
    assert divergence(ragged, 1, alive_only=True) == 0
    assert position_weights(ragged, 1.7, alive_only=True) == [1.0, 1.0]


def test_samples_that_are_alike_count_as_often_as_they_are_there() -> None:
    one, other = Stored([[5, 6]], [EVEN]), Stored([[5, 6]], [TILTED])
    assert divergence([one, one, other], 0) == pytest.approx(divergence([one._replace(n=2), other], 0))
    ended = Stored([], [])
    assert divergence([one, ended, ended], 0) == pytest.approx(divergence([one, ended._replace(n=2)], 0))


def test_the_recipe_multiplies_grpos_advantage() -> None:
    group = [Stored([[5, 6]] * 3, [EVEN, EVEN, EVEN]), Stored([[5, 6]] * 2, [EVEN, TILTED])]
    found = reweight(frame_of([1.0, 0.0], group), recipes.tw_grpo(alive_only=True))
    a = 2**-0.5
    assert found["advantage"].to_list() == pytest.approx([a, -a], abs=1e-5)
    assert found["token_advantages"][0].to_list() == pytest.approx([a, 1.7 * a, a], abs=1e-5)
    assert found["token_advantages"][1].to_list() == pytest.approx([-a, -1.7 * a], abs=1e-5)


def test_a_sample_without_top_k_leaves_the_group() -> None:
    group = [Stored([[5, 6]], [EVEN]), Stored([[5, 6]], [TILTED]), None]
    found = reweight(frame_of([1.0, 0.0, 1.0], group), recipes.tw_grpo())
    assert found["drop_reason"].to_list() == [None, None, "no_likelihood"]
    assert found["group_size"].to_list() == [2, 2, 2]
    assert found["token_advantages"][2] is None


def oracle(group: list[Stored], position: int, *, alive_only: bool) -> float:
    """Return the divergence at a position, in plain Python."""
    alive = [dict(zip(s.ids[position], s.logprobs[position], strict=True)) for s in group if position < len(s.ids)]
    support = {each for stored in alive for each in stored}
    table = []
    for stored in alive:
        missing = support - set(stored)
        left = max(1 - sum(map(math.exp, stored.values())), 1e-9)
        rest = min(math.log(left / len(missing)), min(stored.values(), default=0)) if missing else 0
        table.append({v: stored.get(v, rest) for v in support})
    if not alive_only:
        table += [dict.fromkeys(support, -math.log(len(support)))] * (len(group) - len(alive))
    mean = {v: sum(row[v] for row in table) / len(table) for v in support}
    return sum(f(max(-11, min(11, mean[v] - row[v]))) for row in table for v in support) / len(table)


@pytest.mark.parametrize("alive_only", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_equals_the_oracle(seed: int, alive_only: bool) -> None:
    rng = random.Random(seed)
    group = []
    for _ in range(5):
        length = rng.randint(1, 6)
        ids = [rng.sample(range(8), 3) for _ in range(length)]
        group.append(Stored(ids, [[math.log(rng.uniform(0.01, 0.3)) for _ in range(3)] for _ in range(length)]))
    longest = max(len(each.ids) for each in group)
    found = [divergence(group, t, alive_only=alive_only) for t in range(longest)]
    assert found == pytest.approx([oracle(group, t, alive_only=alive_only) for t in range(longest)], abs=1e-9)
    low, high = min(found), max(found)
    expected = [1 + 0.7 * (d - low) / (high - low) for d in found] if high > low else [1.0] * longest
    assert position_weights(group, 1.7, alive_only=alive_only) == pytest.approx(expected)
    rewards: list[float | None] = [1.0, 0.0, 0.0, 1.0, 0.0]
    made = reweight(frame_of(rewards, group), recipes.tw_grpo(alive_only=alive_only))
    for stored, advantage, tokens in made.select("topk_ids", "advantage", "token_advantages").iter_rows():
        assert tokens == pytest.approx([advantage * w for w in expected[: len(stored)]], rel=1e-5)


def test_long_completions_are_read_in_windows() -> None:
    rng = random.Random(5)
    lengths = [2 * WINDOW + 3, WINDOW, 1]
    ids = [[rng.sample(range(9), rng.randint(0, 3)) for _ in range(length)] for length in lengths]
    group = [Stored(each, [[-rng.uniform(1.2, 3.0) for _ in top] for top in each]) for each in ids]
    expected = [
        oracle(group, t, alive_only=False) if any(each[t] for each in ids if t < len(each)) else 0.0
        for t in range(max(lengths))
    ]
    assert divergences(group).tolist() == pytest.approx(expected, abs=1e-9)
